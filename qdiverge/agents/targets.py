"""Target networks: slow copies that no optimiser moves."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def slow_copy(network: Network) -> Network:
    """Return a copy that no optimiser moves."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, share: Tensor | float) -> None:
    """Move the slow network, θ⁻ ← θ⁻ + τ (θ − θ⁻)."""
    for own, other in zip(slow.parameters(), fast.parameters(), strict=True):
        own.lerp_(other, share)
