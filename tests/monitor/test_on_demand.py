"""What a user asks of a monitor: a snapshot now, a name and a unit, a signal for the loop."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from torch import nn

from qdiverge import Transitions, attach, load_snapshot
from qdiverge.runs import load_run


def w_to_2w():
    """Return a batch of one state s = 1 that leads to s' = 2, reward 1."""
    s = torch.ones(4, 1)
    actions = torch.zeros(4, dtype=torch.int64)
    return Transitions(s, actions, torch.ones(4), 2 * s, torch.zeros(4))


class TrialPruned(Exception):  # noqa: N818, as Optuna calls it
    """Meant for the loop."""


@pytest.fixture
def watched(tmp_path):
    """Return what attaches to w → 2w, which diverges."""
    q_net = nn.Linear(1, 1, bias=False)
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.5)

    def watch(**options):
        options = {"every": 5, "max_overhead": None, "foresight": False, "discount": 0.9} | options
        return attach(q_net, optimizer=sgd, loss="half_squared", out=tmp_path / "run", **options)

    def step(batch):
        s, s_next = batch.observations, batch.next_observations
        with torch.no_grad():
            y = batch.rewards + 0.9 * q_net(s_next)[:, 0]
        sgd.zero_grad()
        (0.5 * (q_net(s)[:, 0] - y) ** 2).mean().backward()
        sgd.step()

    return watch, step


def test_a_snapshot_is_taken_when_it_is_asked_for(watched, tmp_path):
    watch, step = watched
    with watch(on_alarm="log") as monitor:
        for update in range(1, 12):
            if update == 7:
                monitor.snapshot()
            step(monitor.batch(w_to_2w()))
    assert [path.name for path in (tmp_path / "run/snapshots").iterdir()] == ["7"]
    snapshot = load_snapshot(tmp_path / "run/snapshots/7")
    assert snapshot.update == 7


def test_what_a_callable_raises_that_is_no_error_ends_the_loop(watched):
    watch, step = watched

    def prune(alarm):
        if alarm.kind == "divergence":
            raise TrialPruned(alarm.rule)

    with watch(on_alarm=prune) as monitor, pytest.raises(TrialPruned, match="soft_divergence"):
        for _ in range(200):
            step(monitor.batch(w_to_2w()))
    assert monitor.num_updates < 100


@pytest.mark.filterwarnings("ignore:qdiverge, at update")
def test_an_error_in_a_callable_is_a_warning(watched):
    watch, step = watched

    def fail(alarm):
        raise ConnectionError(alarm.rule)

    with (
        pytest.warns(UserWarning, match="the callable on_alarm failed"),
        watch(on_alarm=fail) as monitor,
    ):
        for _ in range(60):
            step(monitor.batch(w_to_2w()))
    assert monitor.num_updates == 60


def test_a_run_has_the_name_and_the_unit_that_it_is_given(watched, tmp_path):
    watch, step = watched
    with watch(name="seed 3", clock=lambda: 40, step_unit="frames") as monitor:
        step(monitor.batch(w_to_2w()))
    run = load_run(tmp_path / "run")
    assert (run.name, run.info["step_unit"]) == ("seed 3", "frames")


def test_a_clock_counts_steps_unless_it_is_said_what(watched, tmp_path):
    watch, step = watched
    with watch(clock=lambda: 40) as monitor:
        step(monitor.batch(w_to_2w()))
    assert load_run(tmp_path / "run").info["step_unit"] == "steps"


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_of_the_users_own_script_is_kept(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("from qdiverge.runs import RunLog\nRunLog('run').close()\n")
    commands = (["init", "-q"], ["add", "train.py"], ["commit", "-qm", "one"])
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in commands:
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True)
    head = ["git", "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(head, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    subprocess.run([sys.executable, str(script)], cwd=tmp_path, check=True)
    info = json.loads((tmp_path / "run/run.json").read_text())
    assert info["script_commit"] == commit.strip()
    assert info["command"] == "train.py"
