"""``qdiverge evaluate`` on real runs: files, summaries, refusals."""

import json

import pytest

from qdiverge.cli import main
from qdiverge.runs import load_run

SHORT = ["--num-envs", "2", "--learning-starts", "100", "--buffer-size", "1000", "--every", "1000"]


@pytest.fixture(scope="module")
def breakout(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "breakout"
    game = ["--env", "ALE/Breakout-v5", "--max-episode-frames", "300", "--learning-starts", "300"]
    assert main(["train", "dqn", "--out", str(out), *SHORT, *game, "--total-steps", "320"]) == 0
    return out


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "cartpole"
    task = ["--env", "CartPole-v1", "--hidden-sizes", "8", "--total-steps", "400"]
    assert main(["train", "dqn", "--out", str(out), *SHORT, *task]) == 0
    return out


def only(folder):
    (path,) = folder.iterdir()
    return json.loads(path.read_text())


def test_machados_protocol_reports_the_last_training_episodes_too(breakout, tmp_path, capsys):
    film, strip = tmp_path / "film.gif", tmp_path / "strip.png"
    pictures = ["--video", str(film), "--strip", str(strip)]
    arguments = ["--protocol", "machado", "--episodes", "1", "--epsilon", "0.5", *pictures]
    assert main(["evaluate", str(breakout), *arguments]) == 0
    shown = capsys.readouterr().out
    assert "machado on ALE/Breakout-v5, step 320: 1 episode of at most 5 minutes" in shown
    assert "one episode: no interval" in shown
    assert str(breakout / "evaluations" / "machado-320.json") in shown
    result = only(breakout / "evaluations")
    returns = load_run(breakout).series["charts/episodic_return"].values.tolist()
    assert result["training_episodes"]["scores"] == returns[-100:]
    changes = ["1 instead of 100 episodes", "ε = 0.5 instead of 0.01"]
    assert result["protocol"]["departures"][-2:] == changes
    assert film.stat().st_size > 1_000
    assert strip.stat().st_size > 1_000


def test_a_task_is_played_greedily_from_every_checkpoint(cartpole, capsys):
    arguments = ["--all-checkpoints", "--episodes", "4", "--random", "--seed", "3"]
    assert main(["evaluate", str(cartpole), *arguments]) == 0
    shown = capsys.readouterr().out
    assert "task on CartPole-v1, step 400: 4 episodes, greedy, seed 3" in shown
    assert "there are human scores for Atari games alone" in shown
    result = only(cartpole / "evaluations")
    assert result["human_normalised"]["mean"] is None
    assert len(result["episodes"]) == len(result["random_agent"]["episodes"]) == 4
    assert result["protocol"]["epsilon"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "nature"], "the protocol nature is for Atari games; got it with CartPole"),
        (["--protocol", "natuer"], "protocol must be one of nature, machado, task; got 'natuer'"),
        (["--episodes", "0"], "episodes must be an integer of at least 1; got 0"),
        (["--epsilon", "2"], "epsilon must lie in [0, 1]"),
        (["--seed", "-1"], "seed must be an integer of at least 0"),
        (["--step", "123"], "got 123. There are: 400."),
        (["--all-checkpoints", "--step", "400"], "cannot be given with --step"),
    ],
)
def test_bad_usage_is_one_line_with_status_2_and_writes_nothing(
    cartpole, arguments, message, capsys
):
    before = sorted(cartpole.rglob("*"))
    assert main(["evaluate", str(cartpole), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("qdiverge: ")
    assert error.count("\n") == 1
    assert sorted(cartpole.rglob("*")) == before


def test_a_folder_without_a_run_or_a_checkpoint_is_named(cartpole, tmp_path, capsys):
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err
    (tmp_path / "run.json").write_text((cartpole / "run.json").read_text())
    assert main(["evaluate", str(tmp_path)]) == 2
    assert "an intact checkpoint was expected" in capsys.readouterr().err
