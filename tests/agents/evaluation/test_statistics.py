"""The interval against a bootstrap written out, and against its promise."""

import numpy as np
import pytest

from qdiverge.agents.evaluation.statistics import NUM_RESAMPLES, summarise
from qdiverge.errors import InvalidValueError


def test_the_interval_is_the_percentile_bootstrap_of_the_mean():
    scores = np.random.default_rng(3).exponential(100.0, size=30)
    found = summarise(scores.tolist(), seed=1)
    rng = np.random.default_rng(99)  # other draws: equal up to the bootstrap's own noise
    means = scores[rng.integers(30, size=(NUM_RESAMPLES, 30))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    noise = 0.1 * scores.std() / np.sqrt(30)  # 6 standard errors of such a quantile, about
    assert found.low == pytest.approx(low, abs=noise)
    assert found.high == pytest.approx(high, abs=noise)
    assert found.mean == pytest.approx(scores.mean())
    assert found.std == pytest.approx(scores.std(ddof=1))
    assert (found.least, found.best) == (scores.min(), scores.max())
    assert summarise(scores.tolist(), seed=1) == found


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """95 % of 300 with n = 30: below 88 % would be 5 standard errors off."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = summarise(rng.normal(5.0, 2.0, size=30).tolist())
        hits += found.low <= 5.0 <= found.high
    assert 0.88 * 300 <= hits < 300


def test_one_episode_has_no_interval_and_none_is_refused():
    one = summarise([7.0])
    assert (one.mean, one.std, one.low, one.high) == (7.0, None, None, None)
    with pytest.raises(InvalidValueError, match="at least one"):
        summarise([])
