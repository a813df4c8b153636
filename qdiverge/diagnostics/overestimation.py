"""Are the Q-values true? What was predicted against what was then earned."""

import torch
from torch import Tensor

from qdiverge.checks import check_discount
from qdiverge.errors import InvalidValueError


def discounted_returns(rewards: Tensor, ended: Tensor, discount: float) -> Tensor:
    """Return G_t = r_t + γ (1 − e_t) G_{t+1} along one stream of experience.

    Args:
        rewards: r, [T], in order of time.
        ended: e, bool [T]: the episode ended with this step.
        discount: γ.

    Returns:
        [T]; NaN in the last, unfinished episode, whose return is not known.

    >>> ended = torch.tensor([False, True, False])
    >>> discounted_returns(torch.tensor([1.0, 2.0, 5.0]), ended, 0.5)  # 1 + 2/2, 2, unfinished
    tensor([2., 2., nan])
    """
    check_discount(discount)
    if rewards.ndim != 1 or ended.shape != rewards.shape:
        raise InvalidValueError(
            "rewards and ended must both have shape [T]",
            got=f"{list(rewards.shape)} and {list(ended.shape)}",
        )
    returns, following = torch.empty_like(rewards), float("nan")
    for t in range(len(rewards) - 1, -1, -1):
        following = float(rewards[t]) + (0.0 if ended[t] else discount * following)
        returns[t] = following
    return returns


def overestimation(
    q_values: Tensor, rewards: Tensor, ended: Tensor, discount: float
) -> tuple[float, int]:
    """Return the mean of Q(s_t, a_t) − G_t over finished episodes, and how many steps it is over.

    Van Hasselt, Guez & Silver 2016 (arXiv:1509.06461), figure 3: the value estimates against the
    discounted return that the same policy earned. Healthy: near zero; above it the network
    promises more than it earns. Play with the policy that Q is about.

    Args:
        q_values: Q(s_t, a_t) at the time, [T].
        rewards: r, [T], as the learner sees them (clipped, where it clips).
        ended: bool [T]. A step that a time limit cut off ends an episode whose return is unknown:
            leave such episodes out.
        discount: γ.

    >>> ended = torch.tensor([False, True])
    >>> overestimation(torch.tensor([3.0, 2.5]), torch.tensor([1.0, 2.0]), ended, 0.5)
    (0.75, 2)
    """
    gap = q_values - discounted_returns(rewards, ended, discount)
    known = gap[~gap.isnan()]
    return (float(known.mean()) if len(known) else float("nan")), len(known)
