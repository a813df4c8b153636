"""Alarm rules on the size of the values, on constructed pasts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    """Whatever its rate and scale, if it is measured more often than it doubles, and is no backup.

    A backup carries the values up by r_max − (1−γ) max|Q|: there by 7/8 of the largest reward.
    """
    spacing = doublings_between * np.log(2) / rate
    count = max(int(3 / doublings_between), 8)
    updates = spacing * np.arange(-count, 1.0)
    past = sizes(updates, bound / 8 * np.exp(rate * updates), bound)
    carried = rate * bound / 8 / (7 / 8)
    assert runaway_growth(replace(past, reward_bound=1.01 * carried)) is None
    message = runaway_growth(replace(past, reward_bound=0.99 * carried))
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
