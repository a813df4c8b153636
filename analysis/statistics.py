"""Point estimates and intervals over seeds and tasks (Agarwal et al. 2021, arXiv:2108.13264)."""

from collections.abc import Callable

import numpy as np
from scipy import stats

from qdiverge.checks import check_between, check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_numbers
from qdiverge.thing_checks import check_callable, check_seed


def interquartile_mean(scores: np.ndarray) -> float:
    """Return the mean of the middle half of all scores.

    Agarwal et al. 2021; scores of diverged runs belong in it, as what they earned.

    >>> interquartile_mean(np.array([0.0, 1.0, 2.0, 90.0]))  # (1 + 2) / 2
    1.5
    """
    return float(stats.trim_mean(_checked(scores).ravel(), 0.25))


def bootstrap_interval(
    scores: np.ndarray,
    statistic: Callable[[np.ndarray], float] = interquartile_mean,
    confidence: float = 0.95,
    num_resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Return a percentile bootstrap interval, stratified: seeds are resampled within each task.

    Args:
        scores: [seeds, tasks].
        statistic: Of a resampled array of the same shape.
        confidence: Of the interval.
        num_resamples: Bootstrap samples.
        seed: Of the resampling.

    >>> bootstrap_interval(np.ones((5, 2)))
    (1.0, 1.0)
    """
    scores = _checked(scores)
    if scores.ndim != 2:
        raise InvalidValueError("scores must have shape [seeds, tasks]", got=list(scores.shape))
    confidence = check_between("confidence", confidence, 0, 1, "()")
    num_resamples = check_integer("num_resamples", num_resamples, 1)
    check_callable("statistic", statistic, "a function of scores [seeds, tasks]")
    rng = np.random.default_rng(check_seed(seed))
    seeds, tasks = scores.shape
    draws = rng.integers(seeds, size=(num_resamples, seeds, tasks))
    values = [statistic(scores[draw, np.arange(tasks)]) for draw in draws]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.array(values), [tail, 1 - tail])
    return float(low), float(high)


def wilson_interval(count: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a rate, such as the share of runs that diverged.

    Wilson 1927; sound also where no run, or every run, diverged.

    >>> low, high = wilson_interval(0, 10)
    >>> low, round(high, 4)  # z²/(n + z²) = 3.8415 / 13.8415
    (0.0, 0.2775)
    """
    count, total = check_integer("count", count, 0), check_integer("total", total, 1)
    confidence = check_between("confidence", confidence, 0, 1, "()")
    if count > total:
        raise InvalidValueError("a count within 0 … total, total ≥ 1", got=f"{count} of {total}")
    interval = stats.binomtest(count, total).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def _checked(scores: np.ndarray) -> np.ndarray:
    scores = check_numbers("scores", scores)
    if scores.size == 0 or np.isnan(scores).any():
        raise InvalidValueError(
            "scores must be there and no NaN",
            got=f"{scores.size} scores, {int(np.isnan(scores).sum())} NaN",
            remedy="A run that diverged has a score, too: what it earned. Do not drop it.",
        )
    return scores
