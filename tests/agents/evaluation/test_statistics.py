"""The interval against a bootstrap written out, and against its promise."""

import numpy as np
import pytest
from scipy import stats

from qdiverge.agents.evaluation.statistics import NUM_RESAMPLES, summarise
from qdiverge.errors import InvalidValueError
from tests.chance import SIGMAS, assert_drawn


def test_the_interval_is_the_percentile_bootstrap_of_the_mean():
    """Of other draws, 2.5 % lie beyond each end, but for the noise of both."""
    scores = np.random.default_rng(3).exponential(100.0, size=30)
    found = summarise(scores.tolist(), seed=1)
    rng = np.random.default_rng(99)
    means = scores[rng.integers(30, size=(10 * NUM_RESAMPLES, 30))].mean(axis=1)
    noise = np.sqrt(0.025 * 0.975 * (1 / NUM_RESAMPLES + 1 / len(means)))
    for share in ((means < found.low).mean(), (means > found.high).mean()):
        assert abs(share - 0.025) < SIGMAS * noise
    assert found.mean == pytest.approx(scores.mean())
    assert found.std == pytest.approx(scores.std(ddof=1))
    assert (found.least, found.best) == (scores.min(), scores.max())
    assert summarise(scores.tolist(), seed=1) == found


def test_the_interval_covers_the_truth_as_often_as_students_t_says():
    """Mean ± 1.96 √(29/30) s/√30, the bootstrap's width for normal scores: 93.6 %, not 95."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(300):
        found = summarise(rng.normal(5.0, 2.0, size=30).tolist())
        hits += found.low <= 5.0 <= found.high
    coverage = 1 - 2 * stats.t.sf(stats.norm.ppf(0.975) * np.sqrt(29 / 30), 29)
    assert_drawn([hits, 300 - hits], [coverage, 1 - coverage])


def test_one_episode_has_no_interval_and_none_is_refused():
    one = summarise([7.0])
    assert (one.mean, one.std, one.low, one.high) == (7.0, None, None, None)
    with pytest.raises(InvalidValueError, match="at least one"):
        summarise([])
