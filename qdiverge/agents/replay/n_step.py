"""Returns over several steps (Sutton 1988), where the episode may end before they are over.

R = Σ_{i<k} γ^i r_{t+i},  k = min(n, steps to the episode's end, steps taken since)

The target is R + γ^k (1 − d) max_a Q(s_{t+k}, a): terminated, nothing follows; truncated, the
episode's own last state is bootstrapped from, k steps later; and no transition of the episode's
tail is dropped. Of the very newest transitions fewer than n steps have been seen: they bootstrap
from the newest state, rather than wait.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Returns:
    """N returns.

    Args:
        returns: float32 [N], R.
        steps: integers [N], k.
        terminated: bool [N], d of the last step counted.
        discounts: float32 [N], γ^k.
    """

    returns: NDArray[np.float32]
    steps: NDArray[np.int64]
    terminated: NDArray[np.bool_]
    discounts: NDArray[np.float32]


def n_step_returns(
    rewards: NDArray[Any], has_action: NDArray[Any], terminated: NDArray[Any], discount: float
) -> Returns:
    """Sum rewards up to the first slot without action or after a termination.

    Args:
        rewards: [N, n], r_t … r_{t+n−1}, whatever follows the end of the episode.
        has_action: bool [N, n], False where a slot is an episode's last; the first is True.
        terminated: bool [N, n].
        discount: γ.

    Returns:
        The N returns; the sums in double precision, then rounded once.

    >>> yes, no = True, False
    >>> found = n_step_returns(
    ...     np.array([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]),
    ...     np.array([[yes, yes, yes], [yes, yes, yes], [yes, no, yes]]),
    ...     np.array([[no, no, no], [no, yes, no], [no, no, no]]),
    ...     discount=0.5,
    ... )
    >>> found.returns.tolist(), found.steps.tolist()  # 1 + 2/2 + 4/4, terminated after 2, cut at 1
    ([3.0, 2.0, 1.0], [3, 2, 1])
    >>> found.terminated.tolist(), found.discounts.tolist()
    ([False, True, False], [0.125, 0.25, 0.5])
    """
    goes_on = has_action.copy()
    goes_on[:, 1:] &= ~terminated[:, :-1]
    counts = np.logical_and.accumulate(goes_on, axis=1)  # [N, n]
    returns = np.zeros(len(rewards))
    for i in range(rewards.shape[1]):
        returns += np.where(counts[:, i], discount**i * rewards[:, i].astype(np.float64), 0.0)
    steps = counts.sum(axis=1)
    return Returns(
        returns=returns.astype(np.float32),
        steps=steps,
        terminated=np.any(terminated & counts, axis=1),
        discounts=(discount ** steps.astype(np.float64)).astype(np.float32),
    )
