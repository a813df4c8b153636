"""When do runs diverge? Those that did not yet are censored, never dropped."""

import numpy as np
from scipy import stats

from qdiverge.errors import InvalidValueError


def divergence_curve(times: np.ndarray, diverged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Kaplan–Meier share of runs not yet diverged, after each time of a divergence.

    Kaplan & Meier 1958.

    Args:
        times: When each run diverged, or ended without, [R].
        diverged: Which of them diverged, bool [R].

    Returns:
        Times, and the share that is still sound after each.

    >>> divergence_curve(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    (array([1., 3.]), array([0.66666667, 0.        ]))
    """
    curve = stats.ecdf(_censored(times, diverged)).sf
    at_event = np.isin(curve.quantiles, times[np.asarray(diverged, dtype=bool)])
    return curve.quantiles[at_event], curve.probabilities[at_event]


def log_rank(
    times: np.ndarray, diverged: np.ndarray, other_times: np.ndarray, other_diverged: np.ndarray
) -> float:
    """Return the p-value of the log-rank test: do the two groups diverge at the same rate?

    Mantel 1966. Arguments as of :func:`divergence_curve`, for either group.

    >>> t, d = np.arange(1.0, 21.0), np.ones(20, dtype=bool)
    >>> log_rank(t, d, t, d), log_rank(t, d, t + 30, d) < 1e-6
    (1.0, True)
    """
    result = stats.logrank(_censored(times, diverged), _censored(other_times, other_diverged))
    return float(result.pvalue)


def _censored(times: np.ndarray, diverged: np.ndarray) -> stats.CensoredData:
    times, diverged = np.asarray(times, dtype=np.float64), np.asarray(diverged, dtype=bool)
    if times.shape != diverged.shape or times.ndim != 1 or times.size == 0:
        raise InvalidValueError(
            "times and diverged must both have shape [R], R ≥ 1",
            got=f"{list(times.shape)} and {list(diverged.shape)}",
        )
    return stats.CensoredData.right_censored(times, ~diverged)
