"""Real runs, killed with -9 at random moments and resumed, are the runs that were never killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from qdiverge.agents.saved_agent import load_agent
from qdiverge.cli import main
from qdiverge.runs import RunLog, load_run
from qdiverge.runs.checkpoints import CheckpointStore
from qdiverge.runs.info import read_info, write_info
from tests.kills import PATIENCE, complete, forked, kill_amid
from tests.kills import command as run_command
from tests.same_run import assert_same_run, is_over

DETERMINISTIC = ["--max-overhead", "None"]  # what is measured does not depend on the clock
CARTPOLE = [
    *("--env", "CartPole-v1", "--hidden-sizes", "16", "16", "--num-envs", "2"),
    *("--prioritized", "--noisy", "--n-step", "3", "--dueling", "--target-period", "100"),
    *("--learning-starts", "100", "--buffer-size", "400", "--total-steps", "900"),
    *("--checkpoint-period", "50", "--every", "40", "--cost", "full", *DETERMINISTIC),
    *("--epoch-period", "225"),
]
LONGER = [*CARTPOLE, "--total-steps", "6000", "--epoch-period", "1500"]
PONG = [
    *("--env", "ALE/Pong-v5", "--num-envs", "2", "--prioritized", "--n-step", "2"),
    *("--learning-starts", "100", "--buffer-size", "400", "--total-steps", "1200"),
    *("--max-episode-frames", "400", "--checkpoint-period", "100", "--every", "50", *DETERMINISTIC),
]


def command(name, *arguments):
    return [sys.executable, "-m", "qdiverge", name, *map(str, arguments)]


def killed_amid(arguments, out, step=None):
    """Start a command, and kill it amid its work; whether it was still running."""
    before = complete(out)
    log = out.with_suffix(".log")
    process = forked(run_command, list(map(str, arguments)), log=log)
    is_killed = kill_amid(process, out, step=step)
    assert process.exitcode in (0, -signal.SIGKILL), log.read_text()
    after = complete(out)  # what has a name is whole; only newer ones have pushed others out
    assert max(after, default=0) >= max(before, default=0)
    assert len(after) >= min(len(before), 2)
    return is_killed


@pytest.mark.parametrize(
    ("flags", "times"),
    [
        pytest.param(CARTPOLE, 1, id="CartPole"),
        pytest.param(LONGER, 44, id="CartPole, often", marks=pytest.mark.slow),
        pytest.param(PONG, 6, id="Pong", marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments_a_run_becomes_the_one_that_was_never_killed(
    flags, times, tmp_path
):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert main(["train", "dqn", "--out", str(whole), *flags]) == 0
    arguments = ["train", "dqn", "--out", killed, *flags]
    kills = 0
    while kills < times and not is_over(killed):  # a fast machine is through before that
        kills += killed_amid(arguments, killed)
        arguments = ["resume", killed]
    assert kills > times // 2
    last = load_run(whole).info["config"]["total_steps"]
    if not is_over(killed):  # kill it before it has measured and said that it is over
        has_begun = last not in complete(killed)  # else it is perhaps killed before it has
        kills += killed_amid(arguments, killed, step=last) and has_begun
    status = main(["resume", str(killed)])
    if status == 2:  # it was faster
        assert load_run(killed).info["status"] == "finished"
    assert_same_run(killed, whole)
    resumed = load_run(killed).info["resumed"]
    assert len(resumed) >= kills
    assert all(each["step"] % 50 == 0 and each["versions"]["torch"] for each in resumed)
    print(f"{kills} kills")


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ended"
    assert main(["train", "dqn", "--out", str(out), *CARTPOLE, "--total-steps", "400"]) == 0
    return out


def test_a_run_that_has_ended_goes_on_when_it_is_given_more_steps(ended, tmp_path, capsys):
    before = (ended / "events.jsonl").read_bytes()
    assert main(["resume", str(ended)]) == 2
    assert "--total-steps 800" in capsys.readouterr().err
    assert (ended / "events.jsonl").read_bytes() == before
    assert main(["resume", str(ended), "--total-steps", "700"]) == 0
    assert "goes on at step 400 of 700" in capsys.readouterr().out
    run = load_run(ended)
    assert run.info["config"]["total_steps"] == 700
    assert [each["step"] for each in run.info["resumed"]] == [400]
    saved = load_agent(ended)
    assert (saved.step, saved.ended, saved.config.total_steps) == (700, "total_steps", 700)
    steps = run.series["diverge/q_abs_max"].steps
    assert (steps[1:] > steps[:-1]).all()


def test_a_run_that_is_being_written_is_refused(tmp_path, capsys):
    out = tmp_path / "run"
    log = RunLog(out, {})
    before = (out / "run.json").read_bytes()
    assert main(["resume", str(out)]) == 2
    assert f"which process {os.getpid()} is writing" in capsys.readouterr().err
    assert (out / "run.json").read_bytes() == before
    log.close()
    assert main(["resume", str(out)]) == 2
    assert "checkpoint" in capsys.readouterr().err


def test_a_folder_without_a_checkpoint_or_a_replay_says_what_to_do(tmp_path, capsys):
    assert main(["resume", str(tmp_path)]) == 2
    assert "run.json" in capsys.readouterr().err
    RunLog(tmp_path / "new", {}).close("interrupted")
    assert main(["resume", str(tmp_path / "new")]) == 2
    assert "checkpoint_period" in capsys.readouterr().err
    out = tmp_path / "light"
    flags = [*CARTPOLE, "--total-steps", "200", "--checkpoint-period", "None"]
    assert main(["train", "dqn", "--out", str(out), *flags]) == 0
    assert main(["resume", str(out), "--total-steps", "400"]) == 2
    assert "--checkpoint-period" in capsys.readouterr().err
    assert load_run(out).info["status"] == "finished"


def test_a_run_that_diverged_keeps_its_last_good_checkpoint_and_is_not_resumed(tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--learning-rate", "1e6", "--optimizer", "sgd", "--loss", "mse"]
    assert main(["train", "dqn", "--out", str(out), *CARTPOLE, *flags]) == 3
    run = load_run(out)
    assert run.info["status"] == "diverged"
    assert run.alarms[-1].rule == "loss_not_finite"
    assert CheckpointStore(out / "checkpoints").steps()[0] == 50
    assert load_agent(out).ended == "divergence"
    assert load_agent(out, step=50).ended is None
    assert main(["resume", str(out)]) == 2
    assert "That is its result" in capsys.readouterr().err
    write_info(out, read_info(out) | {"status": "running"})  # killed just before
    assert main(["resume", str(out)]) == 2
    assert load_run(out).info["status"] == "diverged"


@pytest.mark.slow
def test_ctrl_c_saves_and_resume_redoes_what_came_after_the_barrier(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    flags = [*CARTPOLE, "--checkpoint-period", "400", "--total-steps", "1000"]
    assert main(["train", "dqn", "--out", str(whole), *flags]) == 0
    process = subprocess.Popen(
        command("train", "dqn", "--out", stopped, *flags), stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + PATIENCE
    while not (stopped / "checkpoints" / "400").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    process.communicate()
    if process.returncode == 0:
        pytest.skip("it was faster than the signal")
    assert process.returncode == 1
    step = load_agent(stopped).step
    assert main(["resume", str(stopped)]) == 0
    assert load_run(stopped).info["resumed"][0]["step"] == (400 if step < 800 else 800)
    assert_same_run(stopped, whole)
