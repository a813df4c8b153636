"""The foresight study: labels, splits, faithful copies, no leak from the test split."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from experiments.foresight import ahead, draw, remedies, sweep
from experiments.foresight.cell import Cell
from experiments.foresight.live import LiveRun
from experiments.foresight.observe import Course, as_row, curve_times, follow
from qdiverge.rehearsal.rehearse import rehearsals

CELL = Cell(
    split="dev", stratum="short", problem="maze", seed=3, algorithm="dqn", width=16, depth=1,
    activation="tanh", layer_norm=False, optimizer="adam", relative_step=0.1, loss="mse",
    batch_size=16, discount=0.9, bootstrap="target_q", target_period=7, polyak=None, n_step=1,
    prioritized=False, buffer_size=200, coverage=1.0, num_updates=50,
)  # fmt: skip


@pytest.mark.parametrize(
    ("sizes", "is_broken", "touched", "stays", "unbounded"),
    [
        ([0.1, 0.2, 0.3], False, None, False, False),
        ([0.1, 1.1, 1.2, 1.3], False, 1, True, False),
        ([0.1, 1.1, 0.9, 0.8], False, 1, False, False),
        ([0.1, 2.0, 101.0], False, 1, True, True),
        ([0.1, float("nan")], False, 1, True, True),
        ([0.1, 0.2], True, 2, True, True),
        ([1.5, 0.2, 0.3], False, 0, False, False),
    ],
)
def test_labels_of_made_up_courses(sizes, is_broken, touched, stays, unbounded):
    course = Course(sizes=sizes, churns=[0.0] * (len(sizes) - 1), is_broken=is_broken)
    assert (course.touched, course.stays, course.is_unbounded) == (touched, stays, unbounded)


def test_running_maxima_hold_every_update_however_they_are_thinned():
    rng = np.random.default_rng(0)
    sizes = rng.random(2_001).tolist()
    course = Course(sizes=sizes, churns=rng.random(2_000).tolist(), td_errors=[1.0, 1.0])
    row = as_row(course)
    assert row["times"] == curve_times(2_000)
    assert len(row["times"]) < 60
    for t, size in zip(row["times"], row["size_running"], strict=True):
        assert size == pytest.approx(max(sizes[: t + 1]), rel=1e-2)


@pytest.mark.parametrize("is_full", [False, True])
def test_no_test_run_shares_problem_or_network_with_dev(is_full):
    cells = draw.draw(is_full)
    for what in ("problem", "network"):
        dev, test = ({getattr(c, what) for c in cells if c.split == s} for s in draw.SIZES)
        assert dev
        assert test
        assert not dev & test
    assert len({json.dumps(asdict(cell)) for cell in cells}) == len(cells)


def test_the_corpus_is_the_beginning_of_the_full_one_and_mixes_its_strata():
    cells = draw.draw()
    assert set(cells) < set(draw.draw(is_full=True))
    first = [cell.stratum for cell in cells[:40]]
    assert {"short", "default", "critic", "long", "online"} <= set(first)


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("problem", ["maze", "cartpole"])
def test_in_an_online_cell_the_network_that_acts_is_the_one_that_learns(problem, action):
    run = LiveRun(replace(CELL, stratum="online", problem=problem, num_updates=400))
    output = run.networks[0].layers[-1]
    with torch.no_grad():
        for weight in output.parameters():
            weight.zero_()
        output.bias[action] = 1.0
    shape = (200, *run.trainer.environments.shape)
    observations = np.random.default_rng(0).random(shape).astype(np.float32)
    actions = run.trainer.behaviour.actions(observations, 10_000)
    assert (actions == action).mean() > 0.8  # ε is 0.05 then


CELLS = {
    "target": CELL,
    "prioritised, n-step": replace(CELL, prioritized=True, n_step=3, bootstrap="double_q"),
    "online": replace(CELL, stratum="online", problem="cartpole", buffer_size=500),
    "online, averaged": replace(
        CELL, stratum="online", target_period=None, polyak=0.1, n_step=3, prioritized=True
    ),
    "DDPG": replace(
        CELL, stratum="critic", problem="mountain_car_continuous", algorithm="ddpg",
        target_period=None, polyak=0.1,
    ),
    "SAC": replace(
        CELL, stratum="critic", problem="mountain_car_continuous", algorithm="sac",
        target_period=None, polyak=1.0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_running_ahead_moves_nothing_of_the_run(name):
    cell = CELLS[name]
    looks = [ahead.Look(4, 20, orders=2)]
    if cell.is_online:
        looks.append(replace(ahead.LIVE, horizon=20))
    alone, watched = LiveRun(cell), LiveRun(cell)
    theirs = follow(alone)
    ours = follow(
        watched,
        lambda update, _: update % 20 == 0
        and [rehearse(watched, look) for look in looks] and None,
    )  # fmt: skip
    assert ours.sizes == theirs.sizes


def rehearse(run, look):
    stage = ahead.live_stage(run) if look.is_live else ahead.frozen_stage(run)
    return rehearsals([stage], num_updates=look.horizon, num_orders=look.orders, speed=look.speed)


def test_living_copies_act_and_differ():
    run = LiveRun(CELLS["online"])
    for _ in range(5):
        run.update()
    step = run.trainer.agent_step
    stage = ahead.live_stage(run)
    (made,) = rehearsals([stage], num_updates=80, num_orders=2, speed=4)
    assert run.trainer.agent_step == step
    assert (made.q_abs_max[0] != made.q_abs_max[1]).any()


def test_a_remedy_is_the_cell_with_fields_of_its_rule_changed():
    changed = remedies.changed(CELL, {"learning_rate": 0.01, "polyak": 0.005}, rate=0.04)
    assert changed == replace(CELL, relative_step=0.025, polyak=0.005, target_period=None)
    slow = {"target_period": 100, "bootstrap": "target_q"}
    averaged = replace(CELL, target_period=None, polyak=0.5)
    assert remedies.changed(averaged, slow, 0.04) == replace(CELL, target_period=100)


def test_a_cell_that_diverges_is_remedied_and_ends_as_numbers(tmp_path):
    cell = replace(
        CELL, seed=4, width=32, optimizer="adam", relative_step=2.0, bootstrap="q",
        target_period=None, coverage=0.25, activation="relu", num_updates=60,
    )  # fmt: skip
    row = json.loads(json.dumps(sweep.run(asdict(cell), tmp_path), allow_nan=False))
    assert row["touched"] is not None
    assert row["moments"]["0"]["x1"]["passed"].count(None) == 0
    assert set(row["remedies"]["applied"]) >= {"step / 4", "slow target"}
    assert row["remedies"]["rehearsed"]["as it is"]["peaks"][0] > 1
