"""Statistics against definitions, coverage and known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.statistics import bootstrap_interval, interquartile_mean, wilson_interval
from qdiverge.errors import InvalidValueError
from tests.chance import assert_drawn


@given(seed=st.integers(0, 1000), size=st.integers(4, 40))
def test_the_interquartile_mean_ignores_the_outer_quarters(seed, size):
    scores = np.sort(np.random.default_rng(seed).normal(size=size))
    cut = size // 4
    assert interquartile_mean(scores) == pytest.approx(scores[cut : size - cut].mean())
    scores[-cut:] = 1e9
    scores[:cut] = -1e9
    assert interquartile_mean(scores) == pytest.approx(scores[cut : size - cut].mean())


def test_bootstrap_intervals_cover_the_truth_as_often_as_they_say():
    """200 experiments of 60 normal scores: of the intervals some 94.5 % hold the mean."""
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(200):
        scores = rng.normal(size=(30, 2))
        low, high = bootstrap_interval(scores, np.mean, num_resamples=300, seed=seed)
        covered += low <= 0 <= high
    assert_drawn(np.array([covered, 200 - covered]), np.array([0.945, 0.055]))


def test_strata_are_kept_apart():
    scores = np.stack([np.zeros(6), np.full(6, 10.0)], axis=1)  # tasks differ, seeds do not
    assert bootstrap_interval(scores, np.mean) == (5.0, 5.0)


def test_wilson_by_its_formula():
    z, n, k = 1.959963984540054, 20, 3
    centre = (k + z**2 / 2) / (n + z**2)
    half = z * np.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    assert wilson_interval(3, 20) == pytest.approx((centre - half, centre + half))


def test_bad_input_is_named():
    with pytest.raises(InvalidValueError, match="Do not drop it"):
        interquartile_mean(np.array([1.0, np.nan]))
    with pytest.raises(InvalidValueError, match="seeds, tasks"):
        bootstrap_interval(np.ones(3))
    with pytest.raises(InvalidValueError, match="total"):
        wilson_interval(5, 4)
