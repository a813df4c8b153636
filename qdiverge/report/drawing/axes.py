"""Axes: a map from values to [0, 1], and ticks at numbers that a person would choose."""

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

Kind = Literal["linear", "log", "symlog"]
_LARGE: Final = 1e200  # beyond it, and below its inverse, ratios and differences overflow
_MOST_TICKS: Final = 6
_APART: Final = 0.08  # of the axis, between zero and the next tick of a symlog axis


@dataclass(frozen=True)
class Axis:
    """An axis from ``low`` to ``high``.

    linear: v;  log: log₁₀ v;  symlog: sign(v) log₁₀(1 + |v|/c), linear below c.

    Attributes:
        kind: The transformation.
        low: The value at 0.
        high: The value at 1.
        linear_below: c of the symlog axis.
    """

    kind: Kind
    low: float
    high: float
    linear_below: float = 1.0

    def __call__(self, values: np.ndarray | float) -> np.ndarray:
        """Return positions in [0, 1]; what lies outside is moved to the nearest end.

        >>> Axis("log", 1.0, 100.0)(10.0).item()
        0.5
        """
        low, high = self._transform(np.array([self.low, self.high]))
        position = (self._transform(np.asarray(values, dtype=np.float64)) - low) / (high - low)
        return np.clip(position, 0.0, 1.0)

    def ticks(self) -> list[float]:
        """Return about five values between the ends.

        >>> Axis("linear", 0.0, 1.0).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> Axis("log", 0.5, 2e6).ticks()
        [1.0, 100.0, 10000.0, 1000000.0]
        >>> Axis("symlog", -5.0, 2e4).ticks()
        [0.0, 100.0, 10000.0]
        """
        if self.kind == "linear":
            return _round_values(self.low, self.high)
        if self.kind == "log":
            return _decades(self.low, self.high)
        return _signed_decades(self.low, self.high, self.linear_below)

    def _transform(self, values: np.ndarray) -> np.ndarray:
        values = np.clip(values, -_LARGE, _LARGE)
        if self.kind == "linear":
            return values
        if self.kind == "log":
            return np.log10(np.maximum(values, self.low))
        return np.sign(values) * np.log10(1.0 + np.abs(values) / self.linear_below)


def fit_axis(kind: Kind, values: np.ndarray, include: tuple[float, ...] = ()) -> Axis:
    """Return the axis of that kind which holds all finite values, with a little air.

    Args:
        kind: The transformation; a log axis looks at the positive values only.
        values: Data of any shape; NaN and infinities are passed over.
        include: Further values to hold, such as a bound.
    """
    finite = np.append(np.asarray(values, dtype=np.float64).ravel(), include)
    finite = np.clip(finite[np.isfinite(finite)], -_LARGE, _LARGE)
    if kind == "log":
        finite = np.maximum(finite[finite > 0], 1 / _LARGE)
    if finite.size == 0:
        return Axis(kind, *((0.1, 10.0) if kind == "log" else (0.0, 1.0)))
    low, high = float(finite.min()), float(finite.max())
    if kind == "log":
        air = max(10 ** (0.06 * (math.log10(high) - math.log10(low))), 1.15)
        return Axis(kind, low / air, high * air)
    if kind == "symlog":
        sizes = np.abs(finite[finite != 0])
        c = 10.0 ** math.floor(math.log10(np.quantile(sizes, 0.25))) if sizes.size else 1.0
        c = float(np.clip(c, 1e-9 * max(-low, high, 1 / _LARGE), 1.0))
        return Axis(kind, min(1.6 * low, -c / 4), max(1.6 * high, c / 4), c)
    air = 0.06 * (high - low) or 0.1 * abs(high) or 0.5
    return Axis(kind, low - air, high + air)


def is_wide(values: np.ndarray, ratio: float = 50.0) -> bool:
    """Tell whether the values span so many sizes that a linear axis would flatten most of them.

    The largest size is compared with the median size.
    """
    sizes = np.abs(values[np.isfinite(values)])
    return bool(sizes.size and sizes.max() > ratio * max(float(np.quantile(sizes, 0.5)), 1e-12))


def _round_values(low: float, high: float) -> list[float]:
    """Return multiples of 1, 2, 2.5 or 5 × 10ᵏ, the finest set of at most six."""
    size = 10.0 ** math.floor(math.log10((high - low) / 10))
    for step in (size * factor for factor in (1, 2, 2.5, 5, 10, 20, 25, 50, 100)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < _MOST_TICKS:
            return [
                round(step * k, 12) if abs(step) > 1e-9 else step * k
                for k in range(first, last + 1)
            ]
    return [low, high]


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten; within one decade 1, 2, 5; within less, round values."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        every = math.ceil((last - first + 1) / _MOST_TICKS)
        return [10.0**k for k in range(first, last + 1) if k % every == 0]
    fine = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    fine = [float(f"{v:.3g}") for v in fine if low <= v <= high]
    return fine if len(fine) >= 2 else [v for v in _round_values(low, high) if v > 0]


def _signed_decades(low: float, high: float, c: float) -> list[float]:
    """Return zero and ± powers of ten from c on, thinned alike on both sides."""
    first = round(math.log10(c))
    last = math.floor(math.log10(max(-low, high, c)) + 1e-9)
    two_sided = 2 if min(-low, high) >= c else 1
    every = max(1, math.ceil(two_sided * (last - first + 1) / _MOST_TICKS))
    sizes = [10.0**k for k in range(last, first - 1, -1) if (last - k) % every == 0]
    ticks = sorted({0.0, *sizes, *(-size for size in sizes)})
    axis = Axis("symlog", low, high, c)
    zero = axis(0.0)
    return [t for t in ticks if low <= t <= high and (t == 0 or abs(axis(t) - zero) > _APART)]
