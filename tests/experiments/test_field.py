"""The field suite: its eye changes nothing and sees what is there, its judging is what it says."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import qdiverge as qd
from experiments.field import by_hand, offline, ours, sweep
from experiments.field.cell import HEALTHY, LOOPS, PAIRED, every_cell
from experiments.field.eye import Eye
from experiments.field.judging import faults
from experiments.field.run import show
from experiments.tables import read


def shown(rewards):
    s = torch.eye(2)
    return qd.Transitions(s, torch.zeros(2).long(), torch.tensor(rewards), s, torch.ones(2))


def test_the_eye_sees_every_update_and_no_copy(tmp_path):
    network = nn.Linear(2, 1, bias=False)
    sgd = torch.optim.SGD(network.parameters(), lr=0.5)
    eye, sizes = Eye(), []
    with qd.attach(network, optimizer=sgd, discount=0.9, out=tmp_path / "run") as monitor:
        eye.follow(monitor)
        for rewards in ([1.0, -3.0], [0.5, 0.0], [math.inf, 0.0]):
            batch = monitor.batch(shown(rewards))
            sgd.zero_grad()
            (0.5 * (network(batch.observations)[:, 0] - batch.rewards).square()).mean().backward()
            sgd.step()
            sizes.append(network.weight.detach().abs().max().item())
    assert list(eye.sizes)[:2] == pytest.approx(sizes[:2])
    assert math.isinf(eye.sizes[2])
    assert eye.first_beyond(1e6) == 3
    assert eye.largest_reward == math.inf
    assert eye.cpu_seconds > 0


@pytest.mark.parametrize("name", ["own loop DQN CartPole", "offline, target every 250"])
def test_a_short_run_watched_and_seen_is_the_run_alone(name, tmp_path, monkeypatch):
    module = LOOPS[name]
    short = {"num_steps": 1_400} if module is by_hand else {"num_updates": 60}
    monkeypatch.setitem(module.RUNS, name, replace(module.RUNS[name], **short))
    is_sound = name in HEALTHY
    config = {"run": name, "seed": 3, "is_sound": is_sound, "is_paired": True}
    row = sweep.run(config, tmp_path)
    assert row["num_updates"] == (40 if is_sound else 60)
    assert row["alone"]["is_same"]
    assert row["passed"] is None
    assert row["alarms"] == []
    assert row["headline"] == "Healthy"
    assert (row["score"] is None) is not is_sound
    assert 0 < row["largest"] < row["bound"]


def test_every_cell_has_its_loop_and_enough_are_healthy():
    cells = every_cell()
    assert {cell.run for cell in cells} <= set(LOOPS)
    assert sum(cell.is_sound for cell in cells) >= 30
    assert sum(not cell.is_sound for cell in cells) >= 12
    assert sum(cell.is_paired for cell in cells) == len(PAIRED)
    assert all(cell.threshold is not None for cell in cells if cell.is_sound)
    assert all(ours.config_of(name, 1).seed == 1 for name in ours.RUNS)
    assert all(offline.cell_of(fixed, 1).coverage < 1 for fixed in offline.RUNS.values())


ROW = {
    "run": "a", "seed": 1, "is_sound": True, "passed": None, "beyond": None, "num_beyond": 0,
    "num_updates": 1_000, "alarms": [],
}  # fmt: skip
LOOP = {"kind": "loop", "rule": "other_loss", "update": 3}
ALARM = {"kind": "divergence", "rule": "soft_divergence", "update": 3}
NOTE = {"kind": "condition", "rule": "rank_collapse", "update": 3}


@pytest.mark.parametrize(
    ("changed", "num"),
    [
        ({}, 0),
        ({"alarms": [NOTE]}, 0),
        ({"alarms": [LOOP]}, 1),
        ({"alarms": [ALARM]}, 1),
        ({"alarms": [ALARM], "passed": 2, "beyond": 9, "num_beyond": 400}, 0),
        ({"is_sound": False, "passed": 2, "beyond": 9, "num_beyond": 400}, 1),
        ({"is_sound": False, "passed": 2, "beyond": 9, "num_beyond": 400, "alarms": [ALARM]}, 0),
        ({"is_sound": False, "passed": None}, 0),
        ({"alone": {"is_same": False}}, 1),
    ],
)
def test_what_counts_as_a_fault(changed, num):
    assert len(faults([ROW | changed])) == num


def test_the_committed_table_is_as_it_must_be(capsys):
    records = read("field").records()
    assert faults(records) == []
    show(records)
    printed = capsys.readouterr().out
    assert all(r["run"] in printed for r in records)
