"""Alarm rules that hold the linear theory against what the run does, and fire where both agree.

A positive self-excitation alone is no alarm: most runs that learn have one for long, and a target
network, a kernel that turns or values that rise to where they belong keep it harmless. TD errors
that grow as predicted are the sign that none of these does.
"""

import math

import numpy as np

from qdiverge.monitor.rules.growth import growth_factor, log_line
from qdiverge.monitor.rules.past import Past, streak
from qdiverge.monitor.rules.thresholds import THRESHOLDS, Thresholds
from qdiverge.theory import time_to_threshold
from qdiverge.theory.linearisation import LARGEST_ERROR


def self_excitation(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when max Re eig(AD) > 0 for long and TD errors have grown like that meanwhile.

    Long: at five measurements in a row or more, in which α Σ max Re eig(AD) Δt reaches two e-folds.
    The window is the shortest such one that ends now. Grown like that: the median |δ| of its last
    third is at least twice that of its first, and by at least half as many e-folds as promised.
    Measured as for ``runaway_growth``: in time in 1 of 16 divergent runs, in none of 60 sound ones.

    >>> from qdiverge.monitor.rules.past import Track
    >>> t = np.arange(8) * 10.0
    >>> tracks = {
    ...     "diverge/self_excitation": Track(t, np.full(8, 0.5)),
    ...     "diverge/td_error_abs_mean": Track(t, np.exp(0.05 * t)),
    ... }
    >>> print(self_excitation(Past(tracks, learning_rate=0.1)))
    Self-excitation max Re eig(AD) has been above zero since update 0 or before, now 0.5: without a
    target network errors would have grown e^2.0-fold in the last 40 updates, and mean |δ| grew
    7.39-fold. Likely, not certain: the kernel may turn yet. Copy the target network less often, or
    lower γ; no smaller step alone is stable.
    """
    limits, excitation = thresholds.linearised, past["self_excitation"]
    positive = excitation.last(streak(excitation.values > 0))
    if len(positive) < limits.num_excited:
        return None
    steps = np.diff(positive.updates)
    promised = past.learning_rate * np.cumsum((positive.values[1:] * steps)[::-1])
    reached = np.flatnonzero(promised >= limits.min_e_folds - 1e-9)
    if not len(reached):
        return None
    window = positive.last(max(int(reached[0]) + 2, limits.num_excited))
    growth = growth_factor(past["td_error_abs_mean"].since(window.updates[0]))
    e_folds = float(promised[len(window) - 2])
    is_grown = growth >= limits.min_error_growth
    if not (is_grown and math.log(growth) >= e_folds / limits.rate_agreement):
        return None
    return (
        f"Self-excitation max Re eig(AD) has been above zero since update "
        f"{int(positive.updates[0])} or before, now {positive.values[-1]:.3g}: without a target "
        f"network errors would have grown e^{e_folds:.1f}-fold in the last "
        f"{int(window.updates[-1] - window.updates[0])} updates, and mean |δ| grew "
        f"{growth:.3g}-fold. Likely, not certain: the kernel may turn yet. Copy the target network "
        "less often, or lower γ; no smaller step alone is stable."
    )


def blow_up_forecast(past: Past, thresholds: Thresholds = THRESHOLDS) -> str | None:
    """Fire when max|Q| passes the bound within the horizon by the linear theory, and it holds good.

    The time is ln(bound/max|Q|) / ln ρ(I + αAD), the horizon four e-folds: 4 / ln ρ. It holds good
    where the last three radii are above 1, a real step departs from its linear prediction by at
    most 0.3, and over the last e-fold mean |δ| grew exponentially (R² ≥ 0.9) at ½ to 2 times ln ρ.
    Measured as for ``runaway_growth``: silent in all 16 divergent and 60 sound runs; in training in
    time in 3 of 29, and in none of 67 sound ones. With RMSProp and Adam ln ρ is far above the rate.

    >>> from qdiverge.monitor.rules.past import Track
    >>> t, growth = np.arange(12) * 5.0, 0.02
    >>> tracks = {
    ...     "diverge/spectral_radius": Track(t, np.full(12, math.exp(growth))),
    ...     "diverge/linearisation_error": Track(t, np.full(12, 0.01)),
    ...     "diverge/td_error_abs_mean": Track(t, np.exp(growth * t)),
    ...     "diverge/q_abs_max": Track(t, 3 * np.exp(growth * t)),
    ... }
    >>> print(blow_up_forecast(Past(tracks, bound=100.0)))
    The linear theory takes max|Q| = 9.01 past 100 in about 120 updates: the spectral radius of an
    update, 1.02, has been above 1 since update 0 or before. It can be trusted: a real step departs
    from it by 0.01, and mean |δ| grew at 1 times the predicted rate over the last 50 updates. Lower
    the step, or copy the target network less often; qd.diagnose says to what value.
    """
    fit_limits, limits = thresholds.growth, thresholds.linearised
    radius, size = past["spectral_radius"], past["q_abs_max"]
    growing = radius.last(streak(radius.values > 1))
    errors = past["linearisation_error"].values
    if len(growing) < limits.num_growing or not len(size) or not len(errors):
        return None
    rate, now = math.log(growing.values[-1]), float(size.values[-1])
    if not (errors[-1] <= LARGEST_ERROR and 0 < now < past.limit and math.isfinite(rate)):
        return None
    ahead = time_to_threshold(now, float(growing.values[-1]), past.limit)
    td_errors = past["td_error_abs_mean"].since(size.updates[-1] - 1 / rate)
    is_enough = len(td_errors) >= fit_limits.num_points and (td_errors.values > 0).all()
    if ahead > limits.horizon / rate or not is_enough:
        return None
    fit = log_line(td_errors)
    agrees = 1 / limits.rate_agreement <= fit.slope / rate <= limits.rate_agreement
    if not (agrees and fit.r_squared >= fit_limits.min_r_squared):
        return None
    return (
        f"The linear theory takes max|Q| = {now:.3g} past {past.limit:.3g} in about {ahead:.0f} "
        f"updates: the spectral radius of an update, {growing.values[-1]:.4g}, has been above 1 "
        f"since update {int(growing.updates[0])} or before. It can be trusted: a real step departs "
        f"from it by {errors[-1]:.2g}, and mean |δ| grew at {fit.slope / rate:.2g} times the "
        f"predicted rate over the last {int(td_errors.updates[-1] - td_errors.updates[0])} "
        "updates. Lower the step, or copy the target network less often; qd.diagnose says to what "
        "value."
    )
