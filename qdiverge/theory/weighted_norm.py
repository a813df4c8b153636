"""The best weighted sup norm for a map whose rows choose independently (Collatz–Wielandt)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_ITERATIONS = 200
FEW = 10  # of a large system that no weights certify: its best modulus is a number, no verdict
LARGE = 64


@dataclass(frozen=True, eq=False)
class WeightedModulus:
    """Modulus of a map in ‖x‖_v = max_i |x_i|/v_i, for v = 1 and for the best v found."""

    row_modulus: Tensor  # [N] for v = 1
    modulus: float  # max of it
    weighted_modulus: float  # for ``weights``: a valid bound, whatever the iteration reached
    lower_bound: float  # no weighted sup norm does better than this
    weights: Tensor  # [N] v > 0


def num_iterations(start: Tensor | None, size: int) -> int:
    """Return how long to look for better weights: of a large system only where some certify it.

    Args:
        start: weights that certify; None: policy iteration has shown that none do.
        size: of the system.

    >>> num_iterations(None, 256), num_iterations(None, 5), num_iterations(torch.ones(256), 256)
    (10, 200, 200)
    """
    return FEW if start is None and size > LARGE else NUM_ITERATIONS


def best_weights(
    excess: Callable[[Tensor], Tensor],
    size: int,
    shift: float,
    start: Tensor | None = None,
    num_iterations: int = NUM_ITERATIONS,
) -> WeightedModulus:
    """Minimise max_i F(v)_i / v_i over v > 0 for a monotone homogeneous F, by power iteration.

    For every v > 0, min_i F(v)_i/v_i ≤ inf_v max_i F(v)_i/v_i ≤ max_i F(v)_i/v_i, so each iterate
    gives valid bounds from both sides. The iteration runs on F − (1 − ``shift``)I, which stays
    monotone and has gaps of order one where F = I + O(α).

    Source: Collatz (1942), Wielandt (1950); for row-wise maxima Gaubert & Gunawardena (2004),
    https://arxiv.org/abs/math/0105091.

    Args:
        excess: v ↦ F(v) − v, positive vectors ``[N]`` to ``[N]``.
        size: N.
        shift: c with F(v) − (1 − c)v monotone: no own coefficient of F lies below 1 − c.
        start: weights to start from; 1 by default.
        num_iterations: at most so many products.

    >>> M = torch.tensor([[0.5, 4.0], [0.01, 0.5]], dtype=torch.float64)
    >>> bound = best_weights(lambda v: M @ v - v, 2, shift=0.5)
    >>> bound.modulus, round(bound.weighted_modulus, 6)  # the Perron root, 0.5 + √0.04
    (4.5, 0.7)
    """
    v = torch.ones(size, dtype=torch.float64)
    rows = excess(v)
    best, lower, weights = float(rows.max()), float(rows.min()), v
    moved = rows
    if start is not None:
        v = start
        moved = excess(v)
        if float((moved / v).max()) < best:
            best, weights = float((moved / v).max()), v
        lower = max(lower, float((moved / v).min()))
    for _ in range(num_iterations):
        pushed = moved + shift * v  # (F − (1 − c)I)v ≥ 0
        lazy = 0.1 * float((pushed / v).max())  # against cycles
        v = pushed + lazy * v
        v = (v / v.max()).clamp(min=1e-12)
        moved = excess(v)
        ratio = moved / v
        low, high = float(ratio.min()), float(ratio.max())
        lower = max(lower, low)
        if high < best:
            best, weights = high, v
        if lazy == 0.0 or best - lower <= 1e-7 * (shift + abs(best)):
            break
    return WeightedModulus(
        row_modulus=1 + rows,
        modulus=1 + float(rows.max()),
        weighted_modulus=1 + best,
        lower_bound=1 + min(lower, best),
        weights=weights,
    )
