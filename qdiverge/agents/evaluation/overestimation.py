"""Are the Q-values true? What was predicted against what was then earned."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.checks import check_discount
from qdiverge.errors import InvalidValueError

TOLERANCE = 0.01  # share of a value that a return may miss where its episode was cut short


@dataclass(frozen=True)
class Overestimation:
    """Predicted values against realised returns, averaged over the same steps.

    Args:
        predicted: Mean of Q; NaN where no return is known.
        realised: Mean of G.
        num_steps: How many steps the means are over.
    """

    predicted: float
    realised: float
    num_steps: int

    @property
    def bias(self) -> float:
        """Return the mean of Q − G: above zero the network promises more than it earns."""
        return self.predicted - self.realised


def discounted_returns(
    rewards: Tensor,
    ended: Tensor,
    discount: float,
    *,
    truncated: Tensor | None = None,
    tolerance: float = TOLERANCE,
) -> Tensor:
    """Return G_t = r_t + γ (1 − e_t) G_{t+1} along one stream of experience.

    An episode that was cut short after step T would have gone on to earn γ^{T+1−t} V(s_{T+1}) more,
    which nobody saw. G_t is known to within ``tolerance`` of that V where γ^{T+1−t} ≤ tolerance: at
    γ = .99 and one per cent, for all but the last 458 steps before the cut.

    Args:
        rewards: r, [T], in order of time.
        ended: e, bool [T]: the episode ended with this step.
        discount: γ.
        truncated: bool [T]: a limit cut the episode short after this step; such steps need not be
            in ``ended``.
        tolerance: Share of the unseen value that a return may miss.

    Returns:
        [T]; NaN where the return is not known: too near a cut, or in the last, unfinished episode.

    >>> ended = torch.tensor([False, True, False])
    >>> discounted_returns(torch.tensor([1.0, 2.0, 5.0]), ended, 0.5)  # 1 + 2/2, 2, unfinished
    tensor([2., 2., nan])
    >>> ended, cut = torch.zeros(3).bool(), torch.tensor([False, False, True])
    >>> rewards = torch.ones(3)  # at t = 0 an eighth of V is missing, then a quarter, then half
    >>> discounted_returns(rewards, ended, 0.5, truncated=cut, tolerance=0.2)
    tensor([1.7500,    nan,    nan])
    """
    check_discount(discount)
    cut = torch.zeros_like(ended) if truncated is None else truncated
    if rewards.ndim != 1 or ended.shape != rewards.shape or cut.shape != rewards.shape:
        raise InvalidValueError(
            "rewards, ended and truncated must all have shape [T]",
            got=f"{list(rewards.shape)}, {list(ended.shape)} and {list(cut.shape)}",
        )
    returns: list[float] = []
    following, missing = float("nan"), 0.0  # G_{t+1}; the share of an unseen value in G_t
    steps = zip(rewards.tolist(), ended.tolist(), cut.tolist(), strict=True)
    for reward, is_end, is_cut in reversed(list(steps)):
        if is_end or is_cut:
            following, missing = 0.0, 0.0 if is_end else 1.0
        following, missing = reward + discount * following, discount * missing
        returns.append(following if missing <= tolerance else float("nan"))
    return rewards.new_tensor(returns[::-1])


def overestimation(
    q_values: Tensor,
    rewards: Tensor,
    ended: Tensor,
    discount: float,
    *,
    truncated: Tensor | None = None,
) -> Overestimation:
    """Return the means of Q and of G over the steps whose return is known.

    Van Hasselt, Guez & Silver 2016 (arXiv:1509.06461), figure 3: the value estimates
    max_a Q(s_t, a) against the discounted return that the same policy earned. Healthy: a bias near
    zero; above it the network promises more than it earns. Play with the policy that Q is about.

    Args:
        q_values: Q of s_t at the time, [T].
        rewards: r, [T], as the learner sees them (clipped, where it clips).
        ended: bool [T], the episode ended with this step.
        discount: γ.
        truncated: bool [T], a limit cut the episode short after this step; the steps just before it
            are left out, see :func:`discounted_returns`.

    >>> ended = torch.tensor([False, True])
    >>> overestimation(torch.tensor([3.0, 2.5]), torch.tensor([1.0, 2.0]), ended, 0.5)
    Overestimation(predicted=2.75, realised=2.0, num_steps=2)
    """
    returns = discounted_returns(rewards, ended, discount, truncated=truncated)
    has_return = ~returns.isnan()
    if not has_return.any():
        return Overestimation(float("nan"), float("nan"), 0)
    predicted, realised = q_values[has_return].double().mean(), returns[has_return].double().mean()
    return Overestimation(float(predicted), float(realised), int(has_return.sum()))
