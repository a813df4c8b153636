"""Alarm rules: each reads the recent past of max|Q| and says why it fires, or None.

The rules are pure functions of a :class:`Past`; what they say is meant for a person.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Past:
    """The recent measurements of a run, oldest first.

    Attributes:
        updates: Optimiser updates at each measurement, [T].
        magnitudes: max|Q| on the probe batch, [T].
        bound: The soft-divergence bound r_max/(1−γ).
    """

    updates: np.ndarray
    magnitudes: np.ndarray
    bound: float


@dataclass(frozen=True)
class AlarmEvent:
    """An alarm as it is handed to a callable: when, by which rule, and what it says."""

    step: int
    update: int
    rule: str
    message: str


def not_finite(past: Past) -> str | None:
    """Fire when a Q-value is NaN or infinite.

    >>> not_finite(Past(np.array([5]), np.array([math.nan]), 100.0))
    'A Q-value is not finite at update 5: the run is beyond repair from here.'
    """
    if math.isfinite(past.magnitudes[-1]):
        return None
    update = int(past.updates[-1])
    return f"A Q-value is not finite at update {update}: the run is beyond repair from here."


def soft_divergence(past: Past) -> str | None:
    """Fire when max|Q| > r_max/(1−γ), more than any policy can earn (van Hasselt et al. 2018).

    >>> soft_divergence(Past(np.array([5]), np.array([120.0]), 100.0))
    'max|Q| = 120 is beyond 100, the most that any policy can earn.'
    """
    if not past.magnitudes[-1] > past.bound:
        return None
    return (
        f"max|Q| = {past.magnitudes[-1]:.3g} is beyond {past.bound:.3g}, "
        "the most that any policy can earn."
    )


NUM_POINTS = 6  # the fewest measurements that a growth fit takes
MIN_R_SQUARED = 0.9  # how much of the variance in the window the fitted growth explains
HORIZON = 4.0  # how far a fit may be extrapolated, in lengths of its own window


def runaway_growth(past: Past) -> str | None:
    """Fire when max|Q| has doubled and will pass the bound if it goes on like that.

    The window reaches back to where max|Q| was last at half its present size, so that the rule has
    no time scale of its own. Two laws are fitted in it: max|Q| = exp(a + bt), an unstable linear
    mode, and max|Q| = a + bt, what clipped TD errors allow. The better one must explain 0.9 of the
    variance and reach the bound within four lengths of the window: four doublings ahead for an
    exponential, at a third of the bound for a straight line.

    >>> t = np.arange(30) * 10
    >>> print(runaway_growth(Past(t, 0.1 * np.exp(0.02 * t), 100.0)))
    max|Q| = 33 grows exponentially, doubling every 34.7 updates; it passes 100 in about 55 updates.
    """
    bound, now = past.bound, float(past.magnitudes[-1])
    is_below = past.magnitudes <= now / 2
    if not (past.updates.size >= NUM_POINTS and is_below.any() and now < bound < math.inf):
        return None
    start = min(int(np.flatnonzero(is_below)[-1]), past.updates.size - NUM_POINTS)
    t, y = past.updates[start:].astype(np.float64), past.magnitudes[start:]
    if not (np.isfinite(y).all() and (y > 0).all()):
        return None
    exponential, linear = _line(t, np.log(y)), _line(t, y)
    if max(exponential.r_squared, linear.r_squared) < MIN_R_SQUARED:
        return None
    if exponential.r_squared >= linear.r_squared:
        ahead = math.log(bound / now) / exponential.slope
        law = f"exponentially, doubling every {math.log(2) / exponential.slope:.3g} updates"
    else:
        ahead = (bound - now) / linear.slope
        law = f"by {linear.slope:.3g} an update"
    if not 0 < ahead <= HORIZON * (t[-1] - t[0]):
        return None
    return f"max|Q| = {now:.3g} grows {law}; it passes {bound:.3g} in about {ahead:.0f} updates."


@dataclass(frozen=True)
class _Line:
    """The least-squares line y = a + bt: b, and the explained share of the variance."""

    slope: float
    r_squared: float


def _line(t: np.ndarray, y: np.ndarray) -> _Line:
    t, y = t - t.mean(), y - y.mean()
    slope, total = float(t @ y / (t @ t)), float(y @ y)
    return _Line(slope, slope**2 * float(t @ t) / total if total > 0 else 0.0)


RULES: tuple[Callable[[Past], str | None], ...] = (not_finite, soft_divergence, runaway_growth)
