"""The study of learning: a run folder becomes a row and a curve; what is committed holds."""

import json
import os
import signal
from multiprocessing import get_context

import numpy as np
import pytest

from experiments.__main__ import main as experiments
from experiments.learning import rows, run, sweep
from experiments.learning.training import play
from qdiverge.agents.checkpoints import Checkpoints
from qdiverge.agents.run_loop import Trainer
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.cli import main as command
from qdiverge.runs import RunLog, load_run


def test_a_run_of_the_study_becomes_a_row_once(tmp_path, capsys):
    arguments = ["--env", "CartPole-v1", "--preset", "cartpole", "--seeds", "5", "--steps", "400"]
    folders = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    assert run.main([*arguments, *folders]) == 0
    (found,) = rows.load_all(tmp_path / "results")
    row = found["row"]
    assert (row["environment"], row["preset"], row["seed"]) == ("CartPole-v1", "cartpole", 5)
    assert (row["steps"], row["status"], row["goal"]) == (400, "finished", 475.0)
    assert sum(found["curve"]["num_episodes"]) == row["episodes"]
    assert row["evaluation"]["episodes"] == 30
    assert row["cpu_seconds"] > 0
    assert found["provenance"]["versions"]["torch"]
    table = capsys.readouterr().out.splitlines()
    assert [row for row in table if "ALE/Pong-v5" in row and "not run" in row]
    assert not [row for row in table if "CartPole-v1" in row and "not run" in row]
    before = (tmp_path / "results" / "CartPole-v1_cartpole_5.json").read_bytes()
    assert run.main([*arguments, *folders]) == 0
    assert "has a result" in capsys.readouterr().out
    assert (tmp_path / "results" / "CartPole-v1_cartpole_5.json").read_bytes() == before


def test_a_run_of_the_command_line_can_be_added(tmp_path, capsys):
    out = tmp_path / "pole"
    short = ["--total-steps", "300", "--seed", "4", "--out", str(out)]
    assert command(["train", "dqn", "--preset", "cartpole", *short]) == 0
    results = tmp_path / "results"
    assert run.main(["add", str(out), "--preset", "cartpole", "--results", str(results)]) == 0
    (found,) = rows.load_all(results)
    scores = load_run(out).series["charts/episodic_return"].values
    assert found["row"]["training"]["mean"] == pytest.approx(scores[-100:].mean(), abs=1e-3)
    assert found["row"]["evaluation"] is None
    assert command(["evaluate", str(out), "--episodes", "3"]) == 0
    evaluated = rows.result(out, "cartpole")["row"]["evaluation"]
    assert (evaluated["episodes"], evaluated["protocol"]) == (3, "task")
    assert "CartPole-v1" in capsys.readouterr().out
    assert experiments(["learning", "add", str(tmp_path / "none"), "--results", str(results)]) == 2
    assert "run.json" in capsys.readouterr().err


def test_a_long_run_under_way_has_a_row_and_a_short_curve(tmp_path):
    """Of 3,000 episodes that earn their number / 100, 500 steps each, in eight environments."""
    log = RunLog(tmp_path / "pong", {"environment": "ALE/Pong-v5"}, info={"seed": 1})
    for episode in range(3_000):
        log.metrics(500 * (episode + 1), {"charts/episodic_return": episode / 100})
    found = rows.result(tmp_path / "pong", "fast")
    row, curve = found["row"], found["curve"]
    assert (row["status"], row["seconds"], row["preset"]) == ("running", None, "fast")
    assert row["training"]["mean"] == pytest.approx(np.arange(2_900, 3_000).mean() / 100)
    low, high = row["training"]["interval"]
    assert low < row["training"]["mean"] < high
    # the mean of episodes n − 99 … n is (n − 49.5)/100, at least 18 from n = 1850 on
    assert row["goal_step"] == 500 * 1_851
    assert len(curve["step"]) == 200
    assert sum(curve["num_episodes"]) == 3_000
    weighted = np.dot(curve["mean_return"], curve["num_episodes"]) / 3_000
    assert weighted == pytest.approx(np.arange(3_000).mean() / 100, abs=1e-3)
    assert len(json.dumps(found)) < 20_000
    log.close()


def cell_of_the_sweep(**changes):
    config = {"environment": "FrozenLake-v1", "preset": "cartpole", "seed": 2, "steps": 200}
    return config | {"checkpoint_period": None} | changes


def test_a_cell_of_the_sweep_gives_its_row_and_starts_anew_where_it_was_killed_early(tmp_path):
    config = cell_of_the_sweep()
    assert set(config) == set(sweep.cells(is_full=False)[0])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    row = sweep.run(config, tmp_path)
    assert (row["environment"], row["seed"], row["steps"]) == ("FrozenLake-v1", 2, 200)
    assert sum(row["curve"]["num_episodes"]) == row["episodes"]


def killed_after(num_saves, config, folder):
    """Run a cell in this process, which dies by SIGKILL once that many checkpoints are there."""
    save, saves = Checkpoints.save, []

    def save_and_die(*arguments, **options):
        save(*arguments, **options)
        saves.append(1)
        if len(saves) == num_saves:
            os.kill(os.getpid(), signal.SIGKILL)

    Checkpoints.save = save_and_die  # type: ignore[method-assign]  # in this process alone
    sweep.run(config, folder)


def test_a_killed_cell_goes_on_from_its_checkpoint_and_ends_as_if_it_never_was(tmp_path):
    config = cell_of_the_sweep(steps=1_800, checkpoint_period=400)
    process = get_context("spawn").Process(target=killed_after, args=(3, config, tmp_path / "a"))
    process.start()
    process.join()  # however slow the machine
    assert process.exitcode == -signal.SIGKILL
    cut, whole = sweep.run(config, tmp_path / "a"), sweep.run(config, tmp_path / "b")
    resumed = load_run(tmp_path / "a" / "run").info["resumed"]
    assert [again["step"] for again in resumed] == [1_200]
    for row in (cut, whole):
        assert row.pop("seconds") > 0
        assert row.pop("cpu_seconds") > 0
    assert cut == whole


def test_greedy_episodes_are_their_own_and_the_same_again():
    trainer = Trainer(DQNConfig(environment="MinAtar/Breakout-v1", total_steps=50))
    list(trainer.run())
    first = play(trainer, 5)
    assert len(first) == 5
    assert play(trainer, 5) == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--env", "CartPole-v1"], "expected --preset"), (["mend"], "invalid choice")],
)
def test_bad_usage_is_refused(arguments, says, capsys):
    assert experiments(["learning", *arguments]) == 2
    assert says in capsys.readouterr().err


def committed(environment, preset):
    found = [one["row"] for one in rows.load_all()]
    return [row for row in found if (row["environment"], row["preset"]) == (environment, preset)]


def test_cartpole_was_solved_by_every_seed():
    results = committed("CartPole-v1", "cartpole")
    assert [row["seed"] for row in results] == [1, 2, 3]
    assert all(row["evaluation"]["mean"] >= 475 for row in results)
    assert all(row["evaluation"]["episodes"] >= 20 for row in results)


def test_minatar_breakout_was_learnt_within_60000_steps_by_every_seed():
    results = committed("MinAtar/Breakout-v1", "minatar_fast")
    assert [row["seed"] for row in results] == [1, 2, 3]
    assert all(row["goal"] == 2.5 and row["goal_step"] <= 60_000 for row in results)
