"""Claims about random draws, each with the chance at which a right program fails it.

The chance is over seeds: with its seed fixed a test passes always or never, on every processor
that draws the same numbers. tests/README.md holds the rule and the table.
"""

import math

import numpy as np
from scipy import stats

from analysis.statistics import wilson_interval

DRAW = 1e-12  # chance of a false failure of one claim about draws
RUNS = 1e-6  # of one claim about runs
SIGMAS = 7.0  # standard errors that a mean of hundreds of draws may be off: 3e-12 if it is normal


def assert_drawn(counts: np.ndarray, probabilities: np.ndarray) -> None:
    """Assert that ``counts`` can be independent draws by ``probabilities``.

    Each count is binomial; its exact tails share the chance ``DRAW`` (union bound).
    """
    counts, P = np.asarray(counts), np.asarray(probabilities, dtype=float)
    num = counts.sum()
    tails = np.minimum(stats.binom.cdf(counts, num, P), stats.binom.sf(counts - 1, num, P))
    assert tails.min() >= DRAW / (2 * P.size), f"{counts} by {P}: chance {tails.min():.1e}"


def assert_mean(samples: np.ndarray, expected: float | np.ndarray, reach: float) -> None:
    """Assert that ``samples``, of which no two differ by more than ``reach``, have this mean.

    |mean − E| ≤ √(2 V l / n) + 7 r l / (3(n − 1)), l = log(4/p), fails with chance p at most,
    whatever the distribution (Maurer & Pontil 2009, theorem 4, on both sides); p is ``DRAW``
    shared by the means along the first axis.
    """
    samples = np.asarray(samples, dtype=float)
    num, spread = len(samples), np.ptp(samples, axis=0)
    assert (spread <= reach * (1 + 1e-9)).all(), f"samples differ by {spread.max()} > {reach}"
    log = math.log(4 * spread.size / DRAW)
    allowed = np.sqrt(2 * samples.var(0, ddof=1) * log / num) + 7 * reach * log / (3 * (num - 1))
    error = np.abs(samples.mean(0) - expected)
    assert (error <= allowed).all(), f"off by {error} of {allowed} allowed"


def chance_of_fewer(needed: int, runs: int, measured: tuple[int, int]) -> float:
    """Return the chance that fewer than ``needed`` of ``runs`` succeed.

    Args:
        needed: k.
        runs: n independent runs, a seed each.
        measured: successes and runs on other seeds; a run is taken to succeed at the lower end
            of their 95 % interval (Wilson), not at their share.

    >>> round(chance_of_fewer(1, 2, (30, 30)), 4)  # both fail: (1 − 30/(30 + 3.84))²
    0.0129
    """
    return float(stats.binom.cdf(needed - 1, runs, wilson_interval(*measured)[0]))


def assert_most(successes: list[bool], needed: int, measured: tuple[int, int]) -> None:
    """Assert that ``needed`` runs succeeded, and that this claim fails with a chance below 1e-6."""
    chance = chance_of_fewer(needed, len(successes), measured)
    assert chance < RUNS, f"{chance:.1e}: ask for less, or of more runs"
    assert sum(successes) >= needed, successes
