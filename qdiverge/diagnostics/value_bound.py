"""How large values can be: what any policy can earn, and from what size on they count as divergent.

    B = r_max/(1−γ),  limit = B + min(max|δ|/(1−γ), B/4)

B is a theorem about returns, not about what is learnt: where every step pays r_max, Q* is B, and a
run that has solved its task ends a little above or below it. How far off a value can be is known
from the TD errors: ‖Q − Q*‖ ≤ ‖δ‖/(1−γ), the largest over all states and actions. Those of a batch
stand for it, and excuse a quarter of B at most: of values that blow up the errors are as large.
"""

import math

from qdiverge.checks import check_discount, check_positive

EXCUSED = 1 / 4  # of the bound: what TD errors excuse at most
ROUNDING = 1e-3  # of the bound: and at least, for values that are exact but for their last digits


def soft_divergence_bound(discount: float, reward_bound: float = 1.0) -> float:
    """Return the largest |Q| that any policy can earn: r_max / (1 − γ).

    Values beyond it are a *soft divergence* (van Hasselt et al. 2018, arXiv:1812.02648,
    with rewards clipped to ±1).

    Args:
        discount: γ in [0, 1]; at γ = 1 the bound is infinite.
        reward_bound: r_max, the largest |reward|.

    >>> round(soft_divergence_bound(0.99), 6)
    100.0
    """
    check_discount(discount)
    check_positive("reward_bound", reward_bound)
    return math.inf if discount == 1 else reward_bound / (1 - discount)


def divergence_limit(bound: float, td_error: float, discount: float) -> float:
    """Return the size from which values count as divergent.

    Args:
        bound: B, the most that any policy can earn.
        td_error: max|δ| over a batch; NaN or ∞ where it is not known.
        discount: γ.

    >>> [round(divergence_limit(100.0, error, 0.99), 6) for error in (0.0, 0.1, 5.0)]
    [100.1, 110.0, 125.0]
    """
    is_known = math.isfinite(td_error) and discount < 1
    off = td_error / (1 - discount) if is_known else math.inf
    return bound + min(max(off, ROUNDING * bound), EXCUSED * bound)
