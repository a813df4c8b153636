"""When a blow-up will come: growth laws, fitted with an interval."""

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qdiverge.checks import check_between, check_choice, check_integer, check_number, check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite

LAWS = ("finite_time", "exponential", "power")


@dataclass(frozen=True)
class Forecast:
    """The time at which |Q| crosses ``threshold`` under ``law``; heuristic: refit as data come."""

    law: str
    threshold: float  # ∞ for the singularity of the finite-time law
    time: float  # ∞ where the fit does not grow
    lower: float  # Fieller's interval; −∞ or ∞ where it is unbounded
    upper: float
    confidence: float
    residual: float  # r.m.s. residual over the spread of the transformed values; 0 is a perfect fit

    def __str__(self) -> str:
        if math.isinf(self.time):
            return f"No blow-up ahead by the {self.law.replace('_', '-')} law: |Q| does not grow."
        goal = "blows up" if math.isinf(self.threshold) else f"passes {self.threshold:.3g}"
        return (
            f"|Q| {goal} at about t = {self.time:.4g} "
            f"({self.confidence:.0%} interval {self.lower:.4g} to {self.upper:.4g}) by the "
            f"{self.law.replace('_', '-')} law. Early forecasts come out early: refit."
        )


def forecast_blow_up(
    times: Tensor,
    values: Tensor,
    law: str = "finite_time",
    depth: int = 3,
    threshold: float = math.inf,
    confidence: float = 0.95,
) -> Forecast:
    """Fit a growth law to |Q| and return when it crosses ``threshold``, with Fieller's interval.

    - ``finite_time``, L-layer homogeneous ReLU network and SGD: dQ/dt = cQ^{1+p}, p = (2L−2)/L,
      so Q^{−p} is affine in t and reaches 0 at T = −c₀/c₁;
    - ``exponential``, constant kernel: ln Q is affine in t;
    - ``power``, Adam: Q ~ t^L, so Q^{1/L} is affine in t (L = 1: clipped TD errors, Huber loss).

    Source: Yue et al. (2023), https://arxiv.org/abs/2310.04411; Fieller (1954). A heuristic: the
    interval takes the residuals of the transformed values to be independent.

    Args:
        times: ``[n]``, n ≥ 3, in any unit (updates, say).
        values: |Q| at these times, > 0, ``[n]``.
        law: one of the three.
        depth: L, layers with weights.
        threshold: the value to cross; may be ∞ for ``finite_time`` alone.
        confidence: of the interval.

    Raises:
        InvalidValueError: an unknown law, fewer than three times, values not above 0, a depth
            below 1 (2 for ``finite_time``), or ∞ as threshold of a law that never reaches it.

    >>> import torch
    >>> t = torch.arange(5.0)
    >>> forecast = forecast_blow_up(t, 1 / (10 - t), depth=2)  # p = 1: dQ/dt = Q²
    >>> round(forecast.time, 3)
    10.0
    >>> round(forecast_blow_up(t, 2**t, "exponential", threshold=64).time, 3)
    6.0
    """
    depth, threshold = _check_law(law, depth, threshold)
    confidence = check_between("confidence", confidence, 0, 1, "()")
    t, q = _series(times, values)
    if law == "finite_time":
        p = (2 * depth - 2) / depth
        y, level = q**-p, float(np.float64(threshold) ** -p)
    elif law == "exponential":
        y, level = np.log(q), math.log(threshold)
    else:
        y, level = q ** (1 / depth), threshold ** (1 / depth)
    return _crossing(law, t, y, level, threshold, confidence)


def time_to_threshold(value: float, spectral_radius: float, threshold: float) -> float:
    """Return ln(threshold/|Q|)/ln ρ: updates until |Q| passes ``threshold``; ∞ for ρ ≤ 1.

    >>> round(time_to_threshold(1.0, 1.01, 100.0), 1)
    462.8
    """
    value = check_positive("value", abs(check_number("value", value)))
    threshold = check_positive("threshold", threshold)
    spectral_radius = check_number("spectral_radius", spectral_radius)
    if value >= threshold:
        return 0.0
    return (
        math.log(threshold / value) / math.log(spectral_radius) if spectral_radius > 1 else math.inf
    )


def _crossing(
    law: str, t: np.ndarray, y: np.ndarray, level: float, threshold: float, confidence: float
) -> Forecast:
    """Solve c₀ + c₁T = level by least squares, and its confidence set by Fieller's quadratic."""
    from scipy.stats import t as student

    n, centre = len(t), t.mean()
    s = t - centre  # centred: c₀ and c₁ are uncorrelated
    c0, c1 = float(y.mean()) - level, float(s @ y / (s @ s))
    residuals = y - y.mean() - c1 * s
    variance = float(residuals @ residuals) / (n - 2)
    v0, v1 = variance / n, variance / float(s @ s)
    spread = math.sqrt(float(((y - y.mean()) ** 2).sum() / (n - 2)))
    residual = math.sqrt(variance) / spread if spread > 0 else 0.0
    q2 = float(student.ppf((1 + confidence) / 2, n - 2)) ** 2
    grows = c1 < 0 if law == "finite_time" else c1 > 0
    estimate = centre - c0 / c1 if grows else math.inf
    # (c₀ + c₁x)² ≤ q²(v₀ + v₁x²)  ⇔  ax² + 2bx + c ≤ 0
    a, b, c = c1**2 - q2 * v1, c0 * c1, c0**2 - q2 * v0
    lower, upper = -math.inf, math.inf
    root = math.sqrt(max(b * b - a * c, 0.0))
    if grows and a > 0:  # the slope is significant: a bounded interval
        lower, upper = float(centre + (-b - root) / a), float(centre + (-b + root) / a)
    elif grows and a < 0 < c:  # it is not: two rays, of which one lies ahead
        lower = float(centre + (-b - root) / a)
    return Forecast(law, threshold, float(estimate), lower, upper, confidence, residual)


def _series(times: Tensor, values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return checked float64 arrays."""
    t = check_finite("times", times).detach().double().cpu().numpy()
    q = check_finite("values", values).detach().double().cpu().numpy()
    if t.ndim != 1 or t.shape != q.shape or len(t) < 3 or np.ptp(t) == 0:
        raise InvalidValueError(
            "times and values must be of one length of at least 3, at different times",
            got=f"{list(t.shape)} and {list(q.shape)}",
        )
    if q.min() <= 0:
        raise InvalidValueError(
            "values must be above 0", got=float(q.min()), remedy="Pass max |Q|, or its mean."
        )
    return t, q


def _check_law(law: str, depth: int, threshold: float) -> tuple[int, float]:
    """Return depth and threshold, where the law can be used with them."""
    check_choice("law", law, LAWS)
    least = 2 if law == "finite_time" else 1
    depth = check_integer(f"depth of the {law} law", depth, least)
    if not (threshold := check_number("threshold", threshold)) > 0 or (
        math.isinf(threshold) and law != "finite_time"
    ):
        raise InvalidValueError(
            f"threshold must be a finite number above 0 for the {law} law",
            got=threshold,
            remedy="Soft divergence: 1 / (1 − γ) for rewards within ±1.",
        )
    return depth, threshold
