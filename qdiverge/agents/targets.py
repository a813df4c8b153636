"""What Q(s, a) should be, how far off it is, and what that costs: the equations of the learner.

y_i = R_i + γ^k (1 − d_i) Q_e(s'_i, a*_i),  δ_i = y_i − Q(s_i, a_i),  minimise mean_i w_i ℓ(δ_i)

with a*_i = argmax_a Q_s(s'_i, a). One step (k = 1) and equal weights are the ordinary case. Which
network selects (s) and which evaluates (e) is the bootstrap rule (van Hasselt et al. 2018,
arXiv:1812.02648, section 3):

    "q"                 the online network does both
    "target_q"          the target network does both (Mnih et al. 2015)
    "inverse_double_q"  the target network selects, the online network evaluates
    "double_q"          the online network selects, the target network evaluates
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Bootstrap = Literal["q", "target_q", "inverse_double_q", "double_q"]
QFunction = Callable[[Tensor], Tensor]


def bootstrap_values(
    rule: Bootstrap, online: QFunction, target: QFunction, next_observations: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The values that a target bootstraps from, and the actions at which it reads them.

    Args:
        rule: Who selects and who evaluates.
        online: Q, gives [N, A].
        target: Q⁻, gives [N, A]; not called where the rule does not ask it.
        next_observations: s', [N, ...].

    Returns:
        Q_e(s', ·) [N, A], and argmax_a Q_s(s', a) [N]; None where both are one network's.

    >>> online, target = torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 4.0]])
    >>> for rule in ("q", "target_q", "inverse_double_q", "double_q"):
    ...     values, actions = bootstrap_values(rule, lambda _: online, lambda _: target, None)
    ...     print(rule, values.max().item() if actions is None else values[0, actions[0]].item())
    q 3.0
    target_q 5.0
    inverse_double_q 1.0
    double_q 4.0
    """
    if rule == "q":
        return online(next_observations), None
    if rule == "target_q":
        return target(next_observations), None
    if rule == "double_q":
        return target(next_observations), online(next_observations).argmax(dim=1)
    return online(next_observations), target(next_observations).argmax(dim=1)


def td_targets(
    rewards: Tensor,
    terminated: Tensor,
    next_q_values: Tensor,
    discount: float | Tensor,
    next_actions: Tensor | None = None,
) -> Tensor:
    """What Q(s, a) should be: y_i = r_i + γ (1 − d_i) Q(s'_i, a'_i).

    Source: Mnih et al. (2015), Algorithm 1, a' the best action; van Hasselt et al. (2016),
    equation 4, a' chosen by another network.

    Args:
        rewards: [N], of one step or summed over k.
        terminated: bool [N], d.
        next_q_values: [N, A], Q(s', ·).
        discount: γ, or γ^k for each transition, [N].
        next_actions: integers [N], a'; None: argmax_a Q(s', a).

    Returns:
        [N].

    >>> flags, values = torch.tensor([False, True]), torch.tensor([[2.0, 4.0], [2.0, 4.0]])
    >>> td_targets(torch.tensor([1.0, 1.0]), flags, values, discount=0.5)  # 1 + 4/2, 1
    tensor([3., 1.])
    """
    if next_actions is None:
        following = next_q_values.amax(dim=1)
    else:
        following = next_q_values.gather(1, next_actions[:, None]).squeeze(1)
    return rewards + discount * following.masked_fill(terminated, 0.0)


def td_errors(q_values: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """How far Q is below its target: δ_i = y_i − Q(s_i, a_i).

    Args:
        q_values: [N, A].
        actions: integers [N].
        targets: [N], y.

    Returns:
        [N].

    >>> values = torch.tensor([[2.0, 4.0], [2.0, 4.0]])
    >>> td_errors(values, torch.tensor([0, 1]), torch.tensor([3.0, 1.0]))
    tensor([ 1., -3.])
    """
    return targets - q_values.gather(1, actions[:, None]).squeeze(1)


def td_loss(errors: Tensor, loss: str, weights: Tensor | None = None) -> Tensor:
    """The mean of w ℓ(δ).

        "mse": ℓ(δ) = δ²/2.    "huber": the same for |δ| ≤ 1, then |δ| − 1/2.

    Both have the gradient δ near 0, so the same learning rate means the same step; Huber's is
    clipped to [−1, 1], the error clipping of Mnih et al. (2015).

    Args:
        errors: [N], δ.
        loss: ``"huber"`` or ``"mse"``.
        weights: [N], w, of importance sampling; None: 1 for all.

    Returns:
        [].

    >>> errors = torch.tensor([1.0, -3.0])
    >>> td_loss(errors, "mse"), td_loss(errors, "huber")  # (1/2 + 9/2)/2, (1/2 + 5/2)/2
    (tensor(2.5000), tensor(1.5000))
    """
    if loss == "mse":
        return weighted_mean(errors.square() / 2, weights)
    losses = functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")
    return weighted_mean(losses, weights)


def weighted_mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """mean_i w_i ℓ_i over N samples, not divided by the sum of the weights.

    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 0.5]))  # (1 + 1.5)/2
    tensor(1.2500)
    """
    return losses.mean() if weights is None else (weights * losses).mean()
