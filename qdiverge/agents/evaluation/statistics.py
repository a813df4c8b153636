"""The mean of some episodes' scores, and how far it may be off."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_array
from qdiverge.thing_checks import check_seed

CONFIDENCE = 0.95
NUM_RESAMPLES = 10_000


@dataclass(frozen=True)
class Scores:
    """A summary of episodes' scores.

    Args:
        num_episodes: How many there are.
        mean: Their mean.
        median: Their median.
        std: Their sample standard deviation (n − 1); None for one episode.
        low: Lower end of the 95 % percentile bootstrap interval of the mean; None for one episode.
        high: Its upper end.
        least: The worst.
        best: The best.
    """

    num_episodes: int
    mean: float
    median: float
    std: float | None
    low: float | None
    high: float | None
    least: float
    best: float


def summarise(scores: Sequence[float], seed: int = 0) -> Scores:
    """Return mean, median, spread and the bootstrap interval of the mean.

    The interval speaks of the episodes of this one network: another training run differs by more.

    Args:
        scores: One for each episode.
        seed: Of the bootstrap's resampling.

    Raises:
        InvalidValueError: there is none.

    >>> one = summarise([3.0, 3.0, 3.0])
    >>> one.mean, one.std, (one.low, one.high)
    (3.0, 0.0, (3.0, 3.0))
    """
    values = check_array("scores", scores).ravel()
    if not values.size:
        raise InvalidValueError("statistics need at least one score", got="none")
    std = low = high = None
    if values.size > 1:
        std = float(values.std(ddof=1))
        interval = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=CONFIDENCE,
            n_resamples=NUM_RESAMPLES,
            method="percentile",
            random_state=np.random.default_rng(check_seed(seed)),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    return Scores(
        num_episodes=int(values.size),
        mean=float(values.mean()),
        median=float(np.median(values)),
        std=std,
        low=low,
        high=high,
        least=float(values.min()),
        best=float(values.max()),
    )
