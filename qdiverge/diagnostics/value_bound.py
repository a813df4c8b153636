"""How large values can be: what any policy can earn, and from what size on they count as divergent.

    B = (r_max + γ η H_max)/(1−γ)
    limit = B + min(max|δ|/(1−γ), B/4) + 2 max(0, |Q_0| − B)

B is a theorem about returns, not about what is learnt: where every step pays r_max, Q* is B, and a
run that has solved its task ends a little above or below it. How far off a value can be is known
from the TD errors: ‖Q − Q*‖ ≤ ‖δ‖/(1−γ), the largest over all states and actions. Those of a batch
stand for it, and excuse a quarter of B at most: of values that blow up the errors are as large.

Values Q_0 that a network begins with may lie beyond B, from large weights or from optimism where
rewards are small. They fall; what they are beyond B may double meanwhile, in states not yet seen.

With an entropy term of coefficient η (soft actor-critic) what is earned is r_t, and η H from the
next step on. At γ = 1 there is no B; see :func:`undiscounted_limit`.
"""

import math

from qdiverge.checks import (
    check_between,
    check_discount,
    check_finite_number,
    check_number,
    check_positive,
)

EXCUSED = 1 / 4  # of the bound: what TD errors excuse at most
BEGUN = 2.0  # times what first values are beyond the bound: they may double
LONGER = 4.0  # times the steps of the longest episode: a better policy may make such
ROUNDING = 1e-3  # of the bound: and at least, for values that are exact but for their last digits


def soft_divergence_bound(
    discount: float, reward_bound: float = 1.0, entropy_bonus: float = 0.0
) -> float:
    """Return the largest |Q| that any policy can earn: r_max / (1 − γ).

    Values beyond it are a *soft divergence* (van Hasselt et al. 2018, arXiv:1812.02648,
    with rewards clipped to ±1).

    Args:
        discount: γ in [0, 1]; at γ = 1 the bound is infinite.
        reward_bound: r_max, the largest |reward|.
        entropy_bonus: η H_max of a soft critic, which each step but the first earns besides.

    >>> round(soft_divergence_bound(0.99), 6)
    100.0
    """
    discount = check_discount(discount)
    reward_bound = check_positive("reward_bound", reward_bound)
    entropy_bonus = check_finite_number("entropy_bonus", entropy_bonus)
    most = reward_bound + discount * entropy_bonus
    return math.inf if discount == 1 else most / (1 - discount)


def divergence_limit(
    bound: float, td_error: float, discount: float, first_size: float | None = None
) -> float:
    """Return the size from which values count as divergent.

    Args:
        bound: B, the most that any policy can earn.
        td_error: max|δ| over a batch; NaN or ∞ where it is not known.
        discount: γ < 1.
        first_size: max|Q_0|, before anything was learnt; None where it is not known.

    >>> [round(divergence_limit(100.0, error, 0.99), 6) for error in (0.0, 0.1, 5.0)]
    [100.1, 110.0, 125.0]
    """
    bound, td_error = check_number("bound", bound), check_number("td_error", td_error)
    discount = check_between("discount", discount, 0, 1, "[)")
    if first_size is not None:
        first_size = check_number("first_size", first_size)
    off = td_error / (1 - discount) if math.isfinite(td_error) else math.inf
    begun = bound if first_size is None or not math.isfinite(first_size) else first_size
    excused = min(max(off, ROUNDING * bound), EXCUSED * bound)
    return bound + excused + BEGUN * max(0.0, begun - bound)


def undiscounted_limit(
    reward_bound: float, num_updates: int, first_size: float | None, longest: float | None = None
) -> float:
    """Return the same at γ = 1, where only a sum of rewards bounds a return.

    A backup, r + max Q, raises max|Q| by r_max at most, and an update makes no more than one: after
    k of them max|Q| ≤ |Q_0| + k r_max, whatever the length of episodes. And an episode of T steps
    earns T r_max at most; better policies may make longer ones, of four times as many steps.

    Args:
        reward_bound: r_max.
        num_updates: k.
        first_size: max|Q_0|; None, or not finite: not known, and the limit is ∞.
        longest: T, the most steps of an episode so far; None: not known.

    >>> undiscounted_limit(0.1, num_updates=40, first_size=0.5)  # 5/4 · 40/10 + 2/2
    6.0
    >>> undiscounted_limit(0.1, num_updates=4000, first_size=0.5, longest=10)
    6.0
    """
    if first_size is None or not math.isfinite(first_size):
        return math.inf
    num_steps = num_updates if not longest else min(num_updates, LONGER * longest)
    return (1 + EXCUSED) * num_steps * reward_bound + BEGUN * first_size
