"""Alarm rules, the probe batch and the time budget, each alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.diagnostics import Transitions
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.probe_batch import ProbeBatch
from qdiverge.monitor.rules.growth import not_finite, runaway_growth, soft_divergence
from qdiverge.monitor.rules.past import Past, Track

T = np.arange(12) * 10


def sizes(updates, magnitudes, bound):
    return Past({"diverge/q_abs_max": Track(updates, magnitudes)}, bound)


def test_growth_fires_for_a_straight_line_that_crosses_soon():
    message = runaway_growth(sizes(T, 1.0 + 0.5 * T, 75.0))
    assert message is not None
    assert "in about 38 updates" in message  # (75 − 56) at 0.5 per update
    assert runaway_growth(sizes(T, 1.0 + 0.5 * T, 100.0)) is None  # 56 of 100 may be where it ends


def test_growth_is_silent_where_td_errors_stay_level():
    tracks = {"diverge/q_abs_max": Track(T, np.exp(0.03 * T))}
    assert runaway_growth(Past(tracks, 100.0))
    level = Track(T, np.linspace(0.2, 0.12, 12))
    assert runaway_growth(Past(tracks | {"diverge/td_error_abs_mean": level}, 100.0)) is None


@pytest.mark.parametrize(
    "magnitudes",
    [
        np.full(12, 50.0),  # large but still
        np.linspace(0.1, 3.0, 12),  # a straight line far below the bound
        np.linspace(50, 20, 12),  # shrinking
        20 * (1 - np.exp(-np.arange(12.0))),  # levelling off
        np.array([1.0, 30.0, 2.0, 25.0, 1.0, 28.0, 3.0, 27.0, 1.0, 30.0, 2.0, 25.0]),  # noise
        np.full(12, 0.0),
        np.full(12, np.nan),
    ],
    ids=["still", "small", "shrinking", "levelling", "noise", "zero", "nan"],
)
def test_growth_is_silent_otherwise(magnitudes):
    assert runaway_growth(sizes(T, magnitudes, 100.0)) is None


@given(
    rate=st.floats(1e-4, 1.0),
    doublings_between=st.floats(0.01, 0.6),
    bound=st.floats(1.0, 1e6),
)
def test_every_exponential_is_caught_at_an_eighth_of_the_bound(rate, doublings_between, bound):
    """Whatever its rate and scale, as long as it is measured more often than it doubles."""
    spacing = doublings_between * np.log(2) / rate
    count = max(int(3 / doublings_between), 8)
    updates = spacing * np.arange(-count, 1.0)
    past = sizes(updates, bound / 8 * np.exp(rate * updates), bound)
    message = runaway_growth(past)
    assert message is not None
    assert f"in about {3 * np.log(2) / rate:.0f} updates" in message


@given(seed=st.integers(0, 10_000), level=st.floats(1.0, 99.0), noise=st.floats(0.0, 0.2))
def test_a_noisy_plateau_is_no_growth(seed, level, noise):
    ripple = np.random.default_rng(seed).normal(size=100).clip(-1.5, 1.5)
    past = sizes(np.arange(100), level * (1 + noise * ripple), 200.0)
    assert runaway_growth(past) is None


def test_the_bound_and_nan_rules():
    assert soft_divergence(sizes(T[:1], np.array([100.0]), 100.0)) is None
    assert soft_divergence(sizes(T[:1], np.array([101.0]), 100.0))
    assert not_finite(sizes(T[:1], np.array([101.0]), 100.0)) is None
    assert not_finite(sizes(T[:1], np.array([np.inf]), 100.0))
    assert runaway_growth(sizes(T, np.full(12, np.nan), 100.0)) is None


def transitions(value, size=4, reward=0.0):
    s = torch.full((size, 2), float(value))
    return Transitions(
        s, torch.zeros(size).long(), torch.full((size,), reward), s, torch.ones(size)
    )


def test_the_probe_keeps_its_own_copy_and_its_size():
    probe = ProbeBatch(size=6, refresh_period=100)
    first = transitions(1)
    probe.show(first, update=0)
    first.observations.zero_()
    probe.show(transitions(2, reward=-3.0), update=1)
    assert probe.batch.observations[:, 0].tolist() == [1, 1, 1, 1, 2, 2]
    assert probe.reward_bound == 3.0
    assert not probe.wants(update=50)


def test_the_old_probe_serves_while_the_new_one_fills():
    probe = ProbeBatch(size=6, refresh_period=10)
    probe.show(transitions(1, size=6), update=0)
    assert probe.wants(update=10)
    probe.show(transitions(2), update=10)
    assert probe.batch.observations[0, 0] == 1
    probe.show(transitions(3), update=11)
    assert probe.batch.observations[:, 0].tolist() == [2, 2, 2, 2, 3, 3]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_the_budget_holds_over_a_long_run(share):
    clock = Clock()
    budget = Budget(share, clock)
    measured = 0
    for _ in range(10_000):
        clock.now += 0.01  # the run's own update
        if budget.allows("standard"):
            measured += 1
            with budget.charge("standard"):
                clock.now += 0.1
    assert budget.overhead <= share + 0.1 / 100
    assert measured >= 0.9 * share * 100 / 0.1  # and the allowance is used


def test_light_measurements_leave_half_of_the_allowance_to_the_others():
    clock = Clock()
    budget = Budget(0.1, clock)
    count = {"light": 0, "standard": 0}
    for _ in range(10_000):
        clock.now += 0.01
        for tier, cost in (("light", 0.005), ("standard", 0.1)):
            if budget.allows(tier):
                count[tier] += 1
                with budget.charge(tier):
                    clock.now += cost
    assert count["light"] * 0.005 == pytest.approx(0.05 * 100, rel=0.02)
    assert count["standard"] * 0.1 == pytest.approx(0.05 * 100, rel=0.05)


@pytest.mark.parametrize("each", [0.0001, 0.02])
def test_calls_that_measure_nothing_are_paid_first(each):
    """1 %, then 200 % of the run's own time: the measuring itself keeps a quarter of its 5 %."""
    clock = Clock()
    budget = Budget(0.05, clock)
    spent = 0.0
    for _ in range(10_000):
        clock.now += 0.01  # the run's own update: 100 s
        clock.now += each
        budget.calls += each
        if budget.allows("full"):
            with budget.charge("full"):
                clock.now += 0.1
                spent += 0.1
    allowed = max(0.05 * 100 - 10_000 * each, 0.25 * 0.05 * 100)
    assert spent == pytest.approx(allowed, abs=0.11)
    assert budget.overhead == pytest.approx((spent + 10_000 * each) / 100)


def test_without_a_limit_everything_is_allowed():
    clock = Clock()
    budget = Budget(None, clock)
    with budget.charge("full"):
        clock.now += 1000.0
    assert budget.allows("full")
