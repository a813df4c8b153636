"""The statistics against rliable's, where it is installed: see requirements.txt beside this."""

import numpy as np
import pytest

from analysis.statistics import bootstrap_interval, interquartile_mean

pytestmark = [
    pytest.mark.frameworks,
    pytest.mark.filterwarnings("ignore:random_state is deprecated:FutureWarning"),  # of arch
]
library = pytest.importorskip("rliable.library", exc_type=ImportError)
metrics = pytest.importorskip("rliable.metrics", exc_type=ImportError)

SCORES = np.random.default_rng(0).gamma(2.0, size=(10, 7))  # [seeds, tasks], skewed


def test_the_interquartile_mean():
    assert interquartile_mean(SCORES) == pytest.approx(metrics.aggregate_iqm(SCORES), rel=1e-12)


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
