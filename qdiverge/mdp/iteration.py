"""One loop for every fixed point of a γ-contraction, with bounds that stop it early."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qdiverge.checks import check_integer, check_positive
from qdiverge.mdp.mdp_errors import NotConvergedError
from qdiverge.mdp.model import MDP


@dataclass(frozen=True)
class FixedPoint:
    """x with ‖x − x*‖∞ ≤ error_bound."""

    value: np.ndarray
    num_iterations: int
    error_bound: float  # inf where γ = 1 and the last change was not 0


def fixed_point(
    backup: Callable[[np.ndarray], np.ndarray],
    initial: np.ndarray,
    mdp: MDP,
    tolerance: float,
    max_iterations: int,
    between: Callable[[np.ndarray], np.ndarray] | None = None,
) -> FixedPoint:
    """Iterate a monotone γ-contraction of a problem until x* is known to ``tolerance``.

    With Δ = T x − x, where T(x + c) = T x + γc for every constant c,

        T x + γ/(1−γ) min Δ ≤ x* ≤ T x + γ/(1−γ) max Δ:

    the middle of the two is returned. Where all states change alike, as they do long before they
    stop changing, this ends the iteration. ``between`` may move x after a backup: the bounds come
    from each backup alone.

    Where episodes end a constant moves less than γc, and 0 joins the min and the max.

    Source: MacQueen 1966; Porteus 1971.

    Raises:
        NotConvergedError: ``max_iterations`` backups did not suffice.
    """
    tolerance = check_positive("tolerance", tolerance)
    max_iterations = check_integer("max_iterations", max_iterations, 1)
    x, discount, has_ends = initial, mdp.discount, bool(mdp.terminal.any())
    for count in range(1, max_iterations + 1):
        new = backup(x)
        change = new - x
        low, high = float(change.min()), float(change.max())
        if has_ends:
            low, high = min(low, 0.0), max(high, 0.0)
        if discount < 1.0:
            scale = discount / (1.0 - discount)
            if scale * (high - low) / 2 <= tolerance:
                middle = new + scale * (high + low) / 2
                largest = max(float(np.abs(new).max()), float(np.abs(middle).max()))
                rounding = 4 * np.finfo(float).eps * largest / (1.0 - discount)
                return FixedPoint(middle, count, scale * (high - low) / 2 + rounding)
        elif max(high, -low) <= tolerance:
            return FixedPoint(new, count, 0.0 if high == low == 0 else math.inf)
        if not math.isfinite(high - low):
            break
        x = new if between is None else between(new)
    raise NotConvergedError(
        f"the backups must converge to {tolerance:g} within {max_iterations} iterations",
        got=f"a last change between {low:.3g} and {high:.3g}",
        remedy="Raise max_iterations or tolerance; at discount 1, look for a cycle that pays.",
    )
