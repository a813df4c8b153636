"""Alarm rules on the size of the values themselves: NaN, beyond the bound, on the way to it."""

import math
from dataclasses import dataclass

import numpy as np

from qdiverge.monitor.rules.past import Past, Track
from qdiverge.monitor.rules.thresholds import THRESHOLDS, Thresholds


@dataclass(frozen=True)
class Size:
    """max|Q| as it was measured last: on the probe batch, or on the newest batch if it is larger.

    Attributes:
        value: It; NaN where a value is.
        update: Updates made.
        where: What is said of the place; "" on the probe batch.
    """

    value: float
    update: int
    where: str = ""

    @classmethod
    def of(cls, past: Past) -> "Size | None":
        """Return it; None where nothing was measured yet."""
        size, newest = past["q_abs_max"], past["batch_q_abs_max"]
        if not len(size):
            return None
        own = cls(float(size.values[-1]), int(size.updates[-1]))
        if len(newest) and newest.updates[-1] == own.update and math.isfinite(own.value):
            other = float(newest.values[-1])
            if not other <= own.value:
                return cls(other, own.update, ", in the newest training batch,")
        return own

    def __str__(self) -> str:
        return f"{self.value:.3g} at update {self.update}{self.where}"


def not_finite(past: Past, _: Thresholds = THRESHOLDS) -> str | None:
    """Fire when a Q-value is NaN or infinite.

    >>> track = Track(np.array([5]), np.array([math.nan]))
    >>> print(not_finite(Past({"diverge/q_abs_max": track})))
    A Q-value is not finite at update 5. Certain: no later update can repair it. Go back to a
    checkpoint from before, with a smaller step.
    """
    size = Size.of(past)
    if size is None or math.isfinite(size.value):
        return None
    return (
        f"A Q-value is not finite at update {size.update}{size.where}. Certain: no later update "
        "can repair it. Go back to a checkpoint from before, with a smaller step."
    )


def soft_divergence(past: Past, _: Thresholds = THRESHOLDS) -> str | None:
    """Fire when max|Q| > r_max/(1−γ) and what TD errors excuse (van Hasselt et al. 2018).

    No policy can earn that: a theorem, if no larger reward comes. That it goes on is none.

    >>> size, limit = (Track(np.array([5]), np.array([x])) for x in (120.0, 105.0))
    >>> tracks = {"diverge/q_abs_max": size, "diverge/divergence_limit": limit}
    >>> print(soft_divergence(Past(tracks, bound=100.0)))
    max|Q| = 120 at update 5 is beyond 100, the most that any policy can earn, and beyond 105, what
    its TD errors and first values excuse. Certain, if no reward is larger than those seen: such
    values are wrong. Likely: they go on growing. Go back to a checkpoint from before; then a
    smaller step, or a target network that is copied less often.
    """
    size = Size.of(past)
    if size is None or math.isinf(past.bound) or not size.value > past.limit:
        return None
    return (
        f"max|Q| = {size} is beyond {past.bound:.3g}, the most that any policy can earn, and "
        f"beyond {past.limit:.3g}, what its TD errors and first values excuse. Certain, if no "
        "reward is larger than those seen: such values are wrong. Likely: they go on growing. Go "
        "back to a checkpoint from before; then a smaller step, or a target network that is copied "
        "less often."
    )


def runaway_growth(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when max|Q| has doubled twice and will pass the bound if it goes on like that.

    The window reaches back to where max|Q| was last at a quarter of its present size, so that the
    rule has no time scale of its own. Two laws are fitted in it: max|Q| = a + bt, what clipped TD
    errors allow, and max|Q| = exp(a + bt), an unstable linear mode, where it is clearly better. The
    law must explain 0.9 of the variance and not be levelling off, TD errors must have grown too, by
    1.5, and the bound must be near: four doublings ahead for an exponential, at 0.73 of the bound
    for a straight line, two lengths of the window and a half.

    And values must rise faster than rewards can carry them. Where they rise to where they belong,
    one backup, r + γ max Q, raises the largest by r_max − (1−γ) max|Q| at most, and an update makes
    no more than one; with a target network far fewer. Of that a quarter of r_max is always allowed,
    as of the bound for its TD errors.

    Measured before that was asked on 172 short runs drawn at random (an earlier corpus than that of
    experiments/foresight), every 5 updates: it fired in time in 4 of 16 divergent runs of problems
    and networks that were held out (4 of the 5 that took 41 to 150 updates, half of that time
    ahead; none of the 10 that took at most 40), and in 2 of 60 sound ones. In training, where
    ``num_points`` was set: 13 of 29, and 3 of 67. To be measured again: in 30 of the 172 a network
    acted that never learnt.

    >>> t = np.arange(31) * 10
    >>> track = Track(t, 0.1 * np.exp(0.02 * t))
    >>> print(runaway_growth(Past({"diverge/q_abs_max": track}, bound=100.0)))
    max|Q| = 40.3 grows exponentially since update 230, doubling every 34.7 updates; it passes 100
    in about 45 updates. The fit explains 100 % of the variance in that window, and rewards of at
    most 1 carry values up by 0.597 an update, not by 0.807. Lower the step, or copy the target
    network less often; qd.diagnose says to what value.
    """
    limits, size, bound = thresholds.growth, past["q_abs_max"], past.limit
    if len(size) < limits.num_points:
        return None
    now, is_below = float(size.values[-1]), size.values <= size.values[-1] / limits.window_growth
    if not (is_below.any() and now < bound < math.inf):
        return None
    window = size.last(max(len(size) - int(np.flatnonzero(is_below)[-1]), limits.num_points))
    if not (np.isfinite(window.values).all() and (window.values > 0).all()):
        return None
    if levels_off(window, limits.min_late_rise):
        return None
    straight, exponential = line(window), log_line(window)
    unexplained = limits.exponential_residual * (1 - straight.r_squared)
    is_exponential = 1 - exponential.r_squared <= unexplained
    law = exponential if is_exponential else straight
    td_errors = past["td_error_abs_mean"].since(window.updates[0])
    if len(td_errors) and not growth_factor(td_errors) >= limits.min_error_growth:
        return None
    if law.r_squared < limits.min_r_squared:
        return None
    since = f"since update {int(window.updates[0])}"
    speed = law.slope * (now if is_exponential else 1.0)
    fastest = past.reward_bound * max(1 - now / past.bound, limits.least_speed)
    if not speed > fastest:
        return None
    if is_exponential:
        ahead = math.log(bound / now) / law.slope
        how = f"exponentially {since}, doubling every {math.log(2) / law.slope:.3g} updates"
    else:
        ahead = (bound - now) / law.slope
        how = f"by {law.slope:.3g} an update {since}"
    horizon = limits.exponential_horizon if is_exponential else limits.linear_horizon
    if not 0 < ahead <= horizon * (window.updates[-1] - window.updates[0]):
        return None
    return (
        f"max|Q| = {now:.3g} grows {how}; it passes {bound:.3g} in about {ahead:.0f} updates. The "
        f"fit explains {100 * law.r_squared:.0f} % of the variance in that window, and rewards of "
        f"at most {past.reward_bound:.3g} carry values up by {fastest:.3g} an update, not by "
        f"{speed:.3g}. Lower the step, or copy the target network less often; qd.diagnose says to "
        "what value."
    )


def levels_off(window: Track, min_late_rise: float) -> bool:
    """Return whether the second half of a window, in time, rises less than this share of the first.

    >>> levels_off(Track(np.arange(3), np.array([0.0, 4.0, 6.0])), min_late_rise=0.8)
    True
    """
    updates, values = window.updates, window.values
    middle = float(np.interp((updates[0] + updates[-1]) / 2, updates, values))
    return bool(values[-1] - middle < min_late_rise * (middle - values[0]))


def growth_factor(track: Track) -> float:
    """Return the median of the last third over that of the first; NaN with too few points.

    >>> growth_factor(Track(np.arange(6), np.array([1.0, 1.0, 9.0, 9.0, 3.0, 3.0])))
    3.0
    """
    third = len(track) // 3
    if third == 0:
        return math.nan
    before = float(np.median(track.values[:third]))
    return float(np.median(track.values[-third:])) / before if before > 0 else math.nan


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
