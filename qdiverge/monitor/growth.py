"""Alarm rules on the size of the values themselves: NaN, beyond the bound, on the way to it."""

import math
from dataclasses import dataclass

import numpy as np

from qdiverge.monitor.past import Past, Track


def not_finite(past: Past) -> str | None:
    """Fire when a Q-value is NaN or infinite.

    >>> track = Track(np.array([5]), np.array([math.nan]))
    >>> print(not_finite(Past({"diverge/q_abs_max": track})))
    A Q-value is not finite at update 5. Certain: no later update can repair it. Go back to a
    checkpoint from before, with a smaller step.
    """
    size = past["q_abs_max"]
    if not len(size) or math.isfinite(size.values[-1]):
        return None
    return (
        f"A Q-value is not finite at update {int(size.updates[-1])}. Certain: no later update can "
        "repair it. Go back to a checkpoint from before, with a smaller step."
    )


def soft_divergence(past: Past) -> str | None:
    """Fire when max|Q| > r_max/(1−γ), more than any policy can earn (van Hasselt et al. 2018).

    >>> track = Track(np.array([5]), np.array([120.0]))
    >>> print(soft_divergence(Past({"diverge/q_abs_max": track}, bound=100.0)))
    max|Q| = 120 at update 5 is beyond 100, the most that any policy can earn. Certain, if no reward
    is larger than those seen. Go back to a checkpoint from before; then a smaller step, or a target
    network that is copied less often.
    """
    size = past["q_abs_max"]
    if not len(size) or not size.values[-1] > past.bound:
        return None
    return (
        f"max|Q| = {size.values[-1]:.3g} at update {int(size.updates[-1])} is beyond "
        f"{past.bound:.3g}, the most that any policy can earn. Certain, if no reward is larger "
        "than those seen. Go back to a checkpoint from before; then a smaller step, or a target "
        "network that is copied less often."
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
    >>> track = Track(t, 0.1 * np.exp(0.02 * t))
    >>> print(runaway_growth(Past({"diverge/q_abs_max": track}, bound=100.0)))
    max|Q| = 33 grows exponentially since update 240, doubling every 34.7 updates; it passes 100 in
    about 55 updates. The fit explains 100 % of the variance in that window. Lower the step, or copy
    the target network less often; qd.diagnose says to what value.
    """
    size, bound = past["q_abs_max"], past.bound
    if len(size) < NUM_POINTS:
        return None
    now, is_below = float(size.values[-1]), size.values <= size.values[-1] / 2
    if not (is_below.any() and now < bound < math.inf):
        return None
    window = size.last(max(len(size) - int(np.flatnonzero(is_below)[-1]), NUM_POINTS))
    if not (np.isfinite(window.values).all() and (window.values > 0).all()):
        return None
    exponential, linear = log_line(window), line(window)
    best = max(exponential.r_squared, linear.r_squared)
    if best < MIN_R_SQUARED:
        return None
    since = f"since update {int(window.updates[0])}"
    if exponential.r_squared == best:
        ahead = math.log(bound / now) / exponential.slope
        law = f"exponentially {since}, doubling every {math.log(2) / exponential.slope:.3g} updates"
    else:
        ahead = (bound - now) / linear.slope
        law = f"by {linear.slope:.3g} an update {since}"
    if not 0 < ahead <= HORIZON * (window.updates[-1] - window.updates[0]):
        return None
    return (
        f"max|Q| = {now:.3g} grows {law}; it passes {bound:.3g} in about {ahead:.0f} updates. The "
        f"fit explains {100 * best:.0f} % of the variance in that window. Lower the step, or copy "
        "the target network less often; qd.diagnose says to what value."
    )


@dataclass(frozen=True)
class Line:
    """The least-squares line y = a + bt: b, and the explained share of the variance."""

    slope: float
    r_squared: float


def line(track: Track) -> Line:
    """Fit a straight line through a track.

    >>> line(Track(np.arange(3), np.array([1.0, 3.0, 5.0])))
    Line(slope=2.0, r_squared=1.0)
    """
    t, y = track.updates - track.updates.mean(), track.values - track.values.mean()
    spread, total = float(t @ t), float(y @ y)
    if not (spread > 0 and total > 0):
        return Line(0.0, 0.0)
    slope = float(t @ y) / spread
    return Line(slope, slope**2 * spread / total)


def log_line(track: Track) -> Line:
    """Fit log y = a + bt through a track of positive values."""
    return line(Track(track.updates, np.log(track.values)))
