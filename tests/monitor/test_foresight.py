"""Copies that run ahead of a watched run: what they call, when, and that they change nothing."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.errors import DivergenceError, InvalidValueError
from qdiverge.runs import load_run


def w_to_2w(rows=4):
    """s = 1 leads to s' = 2 without a reward: w grows by 1 + α(2γ − 1) in an update."""
    s = torch.ones(rows, 1)
    return qd.Transitions(s, torch.zeros(rows).long(), torch.zeros(rows), 2 * s, torch.zeros(rows))


def ends(rows=4):
    """Every transition ends with 1: regression."""
    s = torch.ones(rows, 1)
    return qd.Transitions(s, torch.zeros(rows).long(), torch.ones(rows), s, torch.ones(rows))


def linear(lr):
    q = nn.Linear(1, 1, bias=False)
    nn.init.ones_(q.weight)
    return q, torch.optim.SGD(q.parameters(), lr=lr)


def step(q, optimizer, batch, γ=0.9):
    with torch.no_grad():
        y = batch.rewards + γ * (1 - batch.terminated) * q(batch.next_observations).amax(1)
    optimizer.zero_grad()
    (functional.mse_loss(q(batch.observations)[:, 0], y) / 2).backward()
    optimizer.step()


def watch(path, q, optimizer, **options):
    given = {"discount": 0.9, "loss": "half_squared", "reward_bound": 1.0, "max_overhead": None}
    return qd.attach(q, optimizer=optimizer, out=path, **given | options)


def train(monitor, q, optimizer, batch, updates):
    for _ in range(updates):
        monitor.batch(batch)
        step(q, optimizer, batch)
    return monitor


def foreseen(monitor):
    return [alarm for alarm in monitor.alarms if alarm.rule == "foreseen_divergence"]


def test_divergence_is_called_before_it_starts_with_the_time_and_what_helps(tmp_path):
    q, sgd = linear(0.1)  # 1.08^k > 10 · 5/4 at k = 33
    with watch(tmp_path / "run", q, sgd) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    (alarm,) = foreseen(monitor)
    assert (alarm.update, alarm.kind) == (8, "divergence")
    assert alarm.evidence["first"] == alarm.evidence["last"] == 33
    assert alarm.evidence["diverging"] == alarm.evidence["copies"] == 6
    assert "at about update 33" in alarm.message
    ((_, fan),) = load_run(tmp_path / "run").arrays("foresight")
    assert fan["updates"].tolist()[:2] == [1, 3]
    assert fan["median"][0] == pytest.approx(1.08**9, rel=1e-5)
    assert load_run(tmp_path / "run").info["foresight"]["num"] == 1


def test_the_remedy_that_it_names_holds_in_the_real_run(tmp_path):
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd) as monitor:
        train(monitor, q, sgd, w_to_2w(), 9)
    evidence = foreseen(monitor)[0].evidence
    assert evidence["remedy"] == "target copied every 100 updates"
    target = copy.deepcopy(q)
    for update in range(1, 100):
        batch = w_to_2w()
        y = batch.rewards + 0.9 * target(batch.next_observations).amax(1).detach()
        sgd.zero_grad()
        (functional.mse_loss(q(batch.observations)[:, 0], y) / 2).backward()
        sgd.step()
        if update % evidence["target_period"] == 0:
            target.load_state_dict(q.state_dict())
    assert abs(q.weight.item()) < 5


def test_a_sound_run_is_left_alone_to_the_bit(tmp_path):
    bits = []
    for foresight in (False, True):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        q = nn.Sequential(nn.Linear(1, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
        adam = torch.optim.Adam(q.parameters(), lr=1e-2)
        with watch(tmp_path / f"{foresight}", q, adam, foresight=foresight) as monitor:
            train(monitor, q, adam, ends(), 60)
        bits.append([p.detach().clone() for p in q.parameters()] + [torch.get_rng_state()])
    assert not monitor.alarms
    assert monitor.foresight.num_forecasts == 2  # at 8 and 32
    assert all(map(torch.equal, *bits))


def test_a_replay_is_drawn_from_before_the_first_update_and_its_generator_stays(tmp_path):
    rows, drawn = w_to_2w(64), []

    def draw():
        index = np.random.randint(64, size=4)  # noqa: NPY002
        drawn.append(tuple(index))
        return {name: value[index] for name, value in vars(rows).items()}

    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd, foresight={"data": draw, "num_updates": 50}) as monitor:
        monitor.batch(w_to_2w())
        assert [alarm.update for alarm in foreseen(monitor)] == [0]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert len(set(drawn)) > 10  # and not one batch again and again


def test_slow_divergence_on_fixed_data_is_called_by_fast_copies(tmp_path):
    q, sgd = linear(0.000625)  # 1.0005^k > 10 · 5/4 at k = 5053
    known = {"data": w_to_2w(), "num_updates": 10_000}
    with watch(tmp_path / "run", q, sgd, foresight=known) as monitor:
        monitor.batch(w_to_2w())
    (alarm,) = foreseen(monitor)
    assert alarm.evidence["speed"] == 16
    assert alarm.evidence["median"] == pytest.approx(5053, rel=0.02)
    assert monitor.foresight.latest.num_copied < 6 * 10_000 / 8


def test_stop_ends_the_run_at_a_call(tmp_path):
    q, sgd = linear(0.1)
    monitor = watch(tmp_path / "run", q, sgd, on_alarm="stop")
    with pytest.raises(DivergenceError, match="foreseen_divergence at update 8"):
        train(monitor, q, sgd, w_to_2w(), 20)
    monitor.close("alarm")
    assert q.weight.item() < 10


def test_values_that_grow_are_looked_at_again_between_two_dates(tmp_path):
    q, sgd = linear(0.0001)
    with watch(tmp_path / "run", q, sgd, every=1) as monitor:
        train(monitor, q, sgd, w_to_2w(), 40)
        assert monitor.foresight.num_forecasts == 2  # at 8 and 32
        sgd.param_groups[0]["lr"] = 0.05  # w doubles within 18 updates: at 58, and batches to 74
        train(monitor, q, sgd, w_to_2w(), 36)
    (alarm,) = foreseen(monitor)
    assert 58 < alarm.update < 76


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"foresight": False}, "not asked for"),
        ({"loss": 2.5}, "known by its step alone"),
        ({"not_modelled": "Q lies inside C51's support"}, "C51"),
    ],
)
def test_what_no_copy_can_be_faithful_to_is_refused_by_name(tmp_path, options, reason):
    q, sgd = linear(0.1)
    with watch(tmp_path / "run", q, sgd, **options) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    assert reason in monitor.foresight.why_not
    assert not foreseen(monitor)


def test_an_update_of_ones_own_is_rehearsed_where_the_loss_is_unknown(tmp_path):
    q, sgd = linear(0.1)

    def update(copies, rows):
        step(copies.networks[0], copies.optimizers[0], rows.transitions)

    with watch(tmp_path / "run", q, sgd, loss=1.0, foresight={"update": update}) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    assert foreseen(monitor)[0].evidence["median"] == 33


def test_a_target_of_unknown_period_is_waited_for_and_then_followed(tmp_path):
    q, sgd = linear(0.01)
    nn.init.zeros_(q.weight)
    target = copy.deepcopy(q)
    monitor = watch(tmp_path / "run", q, sgd, target=target)
    for update in range(1, 129):
        monitor.batch(ends())
        step(q, sgd, ends())
        if update % 5 == 0:
            target.load_state_dict(q.state_dict())
        if update == 8:
            assert monitor.foresight.num_forecasts == 0
    monitor.close()
    assert monitor.foresight.num_forecasts >= 1
    assert monitor.rule.target_period == 5


def test_it_goes_on_where_another_stood(tmp_path):
    q, sgd = linear(0.001)
    first = train(watch(tmp_path / "a", q, sgd), q, sgd, ends(), 40)
    state = first.state()
    first.close("interrupted")
    with watch(tmp_path / "b", q, sgd) as second:
        second.restore(state)
        assert second.foresight.wake == 128 - 32
        assert second.foresight.num_forecasts == first.foresight.num_forecasts == 2


@pytest.mark.parametrize("given", [{"datum": 1}, {"num_updates": 0}, "yes"])
def test_what_it_is_told_is_checked(tmp_path, given):
    q, sgd = linear(0.1)
    with pytest.raises(InvalidValueError, match=r"foresight must be|num_updates"):
        watch(tmp_path / "run", q, sgd, foresight=given)


def test_values_beyond_the_bound_are_seen_at_the_very_update(tmp_path):
    q, sgd = linear(0.5)  # 1.4^k > 10 · 5/4 at k = 8, for max|Q| over s = 1
    with watch(tmp_path / "run", q, sgd, foresight=False) as monitor:
        train(monitor, q, sgd, w_to_2w(), 10)
    (alarm,) = [a for a in monitor.alarms if a.rule == "soft_divergence"]
    assert alarm.update == 8


def test_a_remedy_is_taken_where_the_run_lets_itself_be_changed(tmp_path):
    q, sgd = linear(2.1)  # w − 1 is multiplied by −1.1: |w| > 10 at update 24
    nn.init.zeros_(q.weight)

    def apply(change):
        sgd.param_groups[0]["lr"] = change["learning_rate"]

    ahead = {"apply": apply, "remedies": ("learning_rate",)}
    with watch(tmp_path / "run", q, sgd, foresight=ahead, on_alarm="stop") as monitor:
        train(monitor, q, sgd, ends(), 9)
        alarm = foreseen(monitor)[0]
        sgd_rate = sgd.param_groups[0]["lr"]
        assert not monitor.foresight.is_off
    assert sgd_rate == pytest.approx(2.1 / 4)
    assert alarm.evidence["applied"]
    assert alarm.message.endswith("It was applied.")
    (taken,) = load_run(tmp_path / "run").info["remedies"]
    assert taken == {"step": 8, "update": 8, "learning_rate": pytest.approx(2.1 / 4)}


def test_a_remedy_that_fails_is_said_and_not_called_taken(tmp_path):
    q, sgd = linear(2.1)
    nn.init.zeros_(q.weight)
    broken = {"apply": lambda change: 1 / 0, "remedies": ("learning_rate",)}
    with (
        watch(tmp_path / "run", q, sgd, foresight=broken) as monitor,
        pytest.warns(UserWarning, match="applying a remedy"),
    ):
        train(monitor, q, sgd, ends(), 9)
    assert "applied" not in foreseen(monitor)[0].evidence
    assert "remedies" not in load_run(tmp_path / "run").info


def test_remedies_are_fields_of_the_rule(tmp_path):
    q, sgd = linear(0.1)
    with pytest.raises(InvalidValueError, match="fields of the rule"):
        watch(tmp_path / "run", q, sgd, foresight={"remedies": ("momentum",)})
