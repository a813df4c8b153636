"""The statistics against rliable's, where it is installed: see requirements.txt beside this."""

import numpy as np
import pytest

from analysis import (
    bootstrap_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
)

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore:random_state is deprecated:FutureWarning"),  # of arch
]
library = pytest.importorskip("rliable.library", exc_type=ImportError)
metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)

SCORES = np.random.default_rng(0).gamma(2.0, size=(10, 7))  # [seeds, tasks], skewed
OTHERS = np.random.default_rng(1).gamma(1.7, size=(8, 7))


def test_the_interquartile_mean():
    assert interquartile_mean(SCORES) == pytest.approx(metrics.aggregate_iqm(SCORES), rel=1e-12)


def test_the_probability_of_improvement_with_and_without_ties():
    for x, y in ((SCORES, OTHERS), (SCORES.round(), OTHERS.round())):
        theirs = metrics.probability_of_improvement(x, y)
        assert probability_of_improvement(x, y) == pytest.approx(theirs, rel=1e-12)


def test_the_performance_profile():
    τ = np.linspace(0, 8, 81)
    theirs, _ = library.create_performance_profile({"a": SCORES}, τ, reps=10)
    np.testing.assert_allclose(performance_profile(SCORES, τ), theirs["a"], rtol=1e-12)


def test_the_stratified_bootstrap_up_to_its_own_noise():
    """Both draw 20,000 samples; the ends of the interval then vary by about 1 % of its width."""
    ours = bootstrap_interval(SCORES, num_resamples=20_000)

    def statistic(x):
        return np.array([metrics.aggregate_iqm(x)])

    _, theirs = library.get_interval_estimates(
        {"a": SCORES}, statistic, reps=20_000, random_state=np.random.RandomState(0)
    )
    low, high = theirs["a"][:, 0]
    np.testing.assert_allclose(ours, (low, high), atol=0.06 * (high - low))
