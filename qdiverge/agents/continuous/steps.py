"""Small steps of continuous control: the least critic, a descent, Adam, actions for the task."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def least(critics: Sequence[nn.Module], observations: Tensor, actions: Tensor) -> Tensor:
    """Return min_j Q_j(s, a), [N]."""
    return torch.stack([critic(observations, actions) for critic in critics]).amin(dim=0)


def descend(network: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """Take one step of ``optimizer`` on ``loss``, of this network's parameters alone.

    Returns:
        The loss; where it is not finite, there was no step.
    """
    size = float(loss.detach())
    if math.isfinite(size):
        parameters = list(network.parameters())
        for parameter, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = g
        optimizer.step()
    return size


def adam(networks: Sequence[nn.Module], rate: float) -> torch.optim.Adam:
    """Make Adam over the parameters of all of them."""
    parameters = [p for network in networks for p in network.parameters()]
    return torch.optim.Adam(parameters, lr=rate, fused=True)


def as_array(actions: Tensor) -> NDArray[np.float32]:
    """Return actions for the task; one that is no number is 0 until an update ends the run."""
    array: NDArray[np.float32] = actions.float().nan_to_num(nan=0.0).cpu().numpy()
    return array
