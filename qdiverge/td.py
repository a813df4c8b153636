"""The TD equation: what Q(s, a) should be, and how far off it is.

y_i = R_i + γ^k (1 − d_i) Q_e(s'_i, a*_i),  δ_i = y_i − Q(s_i, a_i)

with a*_i = argmax_a Q_s(s'_i, a). One step (k = 1) is the ordinary case. Which network selects (s)
and which evaluates (e) is the bootstrap rule (van Hasselt et al. 2018, arXiv:1812.02648, section
3):

    "q"                 the online network does both
    "target_q"          the target network does both (Mnih et al. 2015)
    "inverse_double_q"  the target network selects, the online network evaluates
    "double_q"          the online network selects, the target network evaluates
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

Bootstrap = Literal["q", "target_q", "inverse_double_q", "double_q"]
BOOTSTRAPS: tuple[Bootstrap, ...] = get_args(Bootstrap)
QFunction = Callable[[Tensor], Tensor]


def is_selected_online(rule: Bootstrap | None) -> bool:
    """Return whether the online network selects a*; None: the target network does both."""
    return rule in ("q", "double_q")


def is_evaluated_online(rule: Bootstrap | None) -> bool:
    """Return whether the online network evaluates a*; None: the target network does both."""
    return rule in ("q", "inverse_double_q")


def bootstrap_values(
    rule: Bootstrap, online: QFunction, target: QFunction, next_observations: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Return the values that a target bootstraps from, and the actions at which it reads them.

    Args:
        rule: Who selects and who evaluates.
        online: Q, gives [N, A].
        target: Q⁻, gives [N, A]; not called where the rule does not ask it.
        next_observations: s', [N, ...].

    Returns:
        Q_e(s', ·) [N, A], and argmax_a Q_s(s', a) [N]; None where both are one network's.

    >>> online, target = torch.tensor([[1.0, 3.0]]), torch.tensor([[5.0, 4.0]])
    >>> for rule in BOOTSTRAPS:
    ...     values, actions = bootstrap_values(rule, lambda _: online, lambda _: target, None)
    ...     print(rule, values.max().item() if actions is None else values[0, actions[0]].item())
    q 3.0
    target_q 5.0
    inverse_double_q 1.0
    double_q 4.0
    """
    selects = online if is_selected_online(rule) else target
    evaluates = online if is_evaluated_online(rule) else target
    values = evaluates(next_observations)
    return values, None if selects is evaluates else selects(next_observations).argmax(dim=1)


def values_of(q_values: Tensor, actions: Tensor) -> Tensor:
    """Return Q(s_i, a_i), [N], of Q-values [N, A] and integer actions [N].

    >>> values_of(torch.tensor([[2.0, 4.0], [2.0, 4.0]]), torch.tensor([0, 1]))
    tensor([2., 4.])
    """
    return q_values.gather(1, actions.long()[:, None]).squeeze(1)


def bootstrap_weights(discount: float | Tensor, terminated: Tensor, dtype: torch.dtype) -> Tensor:
    """Return γ (1 − d_i), [N]: what the value of the successor counts.

    >>> bootstrap_weights(0.5, torch.tensor([False, True]), torch.float64)
    tensor([0.5000, 0.0000], dtype=torch.float64)
    """
    return discount * (1 - terminated.to(dtype))


def backup(
    rewards: Tensor, terminated: Tensor, discount: float | Tensor, following: Tensor
) -> Tensor:
    """Return y_i = r_i + γ (1 − d_i) V(s'_i); what V is of a terminal successor does not matter.

    Args:
        rewards: [N], of one step or summed over k.
        terminated: bool [N], d.
        discount: γ, or γ^k for each transition, [N].
        following: [N], V(s').

    Returns:
        [N].

    >>> d = torch.tensor([False, True])
    >>> backup(torch.tensor([1.0, 1.0]), d, 0.5, torch.tensor([4.0, torch.nan]))
    tensor([3., 1.])
    """
    return rewards + discount * following.masked_fill(terminated, 0.0)


def td_targets(
    rewards: Tensor,
    terminated: Tensor,
    next_q_values: Tensor,
    discount: float | Tensor,
    next_actions: Tensor | None = None,
) -> Tensor:
    """Return what Q(s, a) should be: y_i = r_i + γ (1 − d_i) Q(s'_i, a'_i).

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
        return backup(rewards, terminated, discount, next_q_values.amax(dim=1))
    return backup(rewards, terminated, discount, values_of(next_q_values, next_actions))


def td_errors(q_values: Tensor, actions: Tensor, targets: Tensor) -> Tensor:
    """Return how far Q is below its target: δ_i = y_i − Q(s_i, a_i).

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
    return targets - values_of(q_values, actions)
