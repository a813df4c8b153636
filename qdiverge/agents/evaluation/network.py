"""The network as an evaluation plays it: a copy of its own, without noise."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.agents.parts import Environments, make_network

PART = 100  # states asked for at once


def own_network(config: DQNConfig, environments: Environments) -> nn.Module:
    """A network of the same make, in evaluation mode and without gradients.

    It is made anew, since a deep copy would carry along the hooks of whoever watches the original.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.

    Returns:
        The network; what its weights are does not matter yet. Every generator is left alone.
    """
    network = make_network(config, environments, np.random.SeedSequence(0))
    return network.eval().requires_grad_(False)


@torch.no_grad()
def load_quietly(network: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Load weights and still the noise: a noisy layer becomes its mean, μ.

    Args:
        network: Changed.
        weights: A ``state_dict``; copied.

    Returns:
        The same network.
    """
    network.load_state_dict(weights)
    for module in network.modules():
        if isinstance(module, NoisyLinear):
            module.noise_in.zero_()
            module.noise_out.zero_()
    return network


@torch.no_grad()
def largest_values(network: nn.Module, observations: NDArray[np.generic]) -> Tensor:
    """The value of each state under the greedy policy, max_a Q(s, a).

    Args:
        network: Gives Q-values [N, A].
        observations: [N, ...].

    Returns:
        [N].
    """
    parts = torch.from_numpy(observations).split(PART)
    return torch.cat([network(part).amax(dim=1) for part in parts])
