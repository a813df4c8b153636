"""Slow reference answers by plain autograd loops; nothing of qdiverge is imported here."""

import copy
import math

import torch
from torch import Tensor, nn


def reference_jacobian(
    q_net: nn.Module, observations: Tensor, actions: Tensor | str
) -> dict[str, Tensor]:
    """Return ∂Q/∂θ by parameter, [R, *shape], by one forward and backward pass for each row.

    A deep copy is taken for each sample, so that whatever its forward changes is forgotten.
    """
    rows: dict[str, list[Tensor]] = {}
    for i in range(len(observations)):
        net = copy.deepcopy(q_net)
        params = {name: p for name, p in net.named_parameters() if p.requires_grad}
        if isinstance(actions, str):
            values = net(observations[i : i + 1])[0]
        elif actions.is_floating_point():
            values = net(observations[i : i + 1], actions[i : i + 1]).reshape(1)
        else:
            values = net(observations[i : i + 1])[0, actions[i]].reshape(1)
        for value in values:
            gradients = torch.autograd.grad(
                value, list(params.values()), retain_graph=True, allow_unused=True
            )
            for (name, p), g in zip(params.items(), gradients, strict=True):
                rows.setdefault(name, []).append(torch.zeros_like(p) if g is None else g)
    return {name: torch.stack(column) for name, column in rows.items()}


def reference_kernel(
    q_net: nn.Module,
    observations: Tensor,
    actions: Tensor | str,
    other_observations: Tensor | None = None,
    other_actions: Tensor | str | None = None,
    preconditioner: dict[str, Tensor] | None = None,
) -> Tensor:
    """Return K = J M Jᵀ, rows by rows; all actions of a sample are consecutive rows."""
    left = right = reference_jacobian(q_net, observations, actions)
    if other_observations is not None and other_actions is not None:
        right = reference_jacobian(q_net, other_observations, other_actions)
    return gram_of(left, preconditioner, right)


def gram_of(
    left: dict[str, Tensor],
    preconditioner: dict[str, Tensor] | None = None,
    right: dict[str, Tensor] | None = None,
) -> Tensor:
    """Return J M J'ᵀ from the Jacobians by parameter; J' is J where it is left out."""
    kernel = torch.zeros(())
    for name, j in left.items():
        scaled = j if preconditioner is None else j * preconditioner[name]
        other = j if right is None else right[name]
        kernel = kernel + scaled.reshape(len(j), -1) @ other.reshape(len(other), -1).T
    return kernel


def reference_projection(
    probabilities: Tensor,
    rewards: Tensor,
    terminated: Tensor,
    discounts: Tensor,
    support: Tensor,
) -> Tensor:
    """Return Φ T p', [B, N], atom by atom: Algorithm 1 of Bellemare et al. (2017).

    Where a moved atom falls on one of the support, the algorithm as printed loses its mass (lower
    and upper neighbour are one, and both shares are 0); here it is all given to that atom.
    """
    low, high, num = support[0].item(), support[-1].item(), len(support)
    step = (high - low) / (num - 1)
    m = torch.zeros_like(probabilities)
    for i in range(len(probabilities)):
        for j in range(num):
            following = 0.0 if terminated[i] else discounts[i].item() * support[j].item()
            moved = min(max(rewards[i].item() + following, low), high)
            b = min((moved - low) / step, num - 1)
            lower, upper = math.floor(b), math.ceil(b)
            if lower == upper:
                m[i, lower] += probabilities[i, j]
            else:
                m[i, lower] += probabilities[i, j] * (upper - b)
                m[i, upper] += probabilities[i, j] * (b - lower)
    return m
