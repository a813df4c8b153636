"""The alarm rule at γ = 1, where no discount bounds what a policy can earn."""

import math

from qdiverge.diagnostics.value_bound import LONGER
from qdiverge.monitor.rules.growth import Size
from qdiverge.monitor.rules.past import Past
from qdiverge.monitor.rules.thresholds import THRESHOLDS, Thresholds


def undiscounted_growth(past: Past, _: Thresholds = THRESHOLDS) -> str | None:
    """Fire at γ = 1 when max|Q| is beyond what updates, or episodes, so far can have carried.

    One backup, r + max Q, adds r_max at most, and an update makes no more than one: k of them carry
    max|Q| to |Q_0| + k r_max. Nor does an episode of T steps earn more than T r_max; see
    :func:`qdiverge.diagnostics.value_bound.undiscounted_limit`.

    >>> import numpy as np
    >>> from qdiverge.monitor.rules.past import Track
    >>> size, limit = (Track(np.array([40]), np.array([x])) for x in (9.0, 6.0))
    >>> tracks = {"diverge/q_abs_max": size, "diverge/divergence_limit": limit}
    >>> print(undiscounted_growth(Past(tracks, bound=math.inf, reward_bound=0.1)))
    max|Q| = 9 at update 40 is beyond 6: γ = 1 bounds no return, but 40 updates carry rewards of at
    most 0.1 no further, from the values that the run began with. Likely, not certain: the values
    feed themselves. Lower the step, or copy the target network less often; where episodes have no
    end, choose γ < 1.
    """
    size = Size.of(past)
    if size is None or math.isfinite(past.bound) or not size.value > past.limit:
        return None
    is_by_updates = past.limit >= size.update * past.reward_bound
    longer = f"episodes {LONGER:g} times as long as any so far"
    carriers = f"{size.update} updates" if is_by_updates else longer
    return (
        f"max|Q| = {size} is beyond {past.limit:.3g}: γ = 1 bounds no return, but {carriers} "
        f"carry rewards of at most {past.reward_bound:.3g} no further, from the values "
        "that the run began with. Likely, not certain: the values feed themselves. Lower the step, "
        "or copy the target network less often; where episodes have no end, choose γ < 1."
    )
