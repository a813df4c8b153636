"""The network as an evaluation plays it: a copy of its own, without noise."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.arithmetic import Arithmetic
from qdiverge.agents.config import DQNConfig
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.agents.parts import Environments, make_network

PART = 100  # states asked for at once


class QuietNetwork:
    """A network of the run's make, in the run's arithmetic, that only answers.

    It is made anew, since a deep copy would carry along the hooks of whoever watches the original.
    A noisy layer is its mean, μ. Every generator is left alone.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.
        weights: A ``state_dict``; None: whatever they start as.
    """

    def __init__(
        self,
        config: DQNConfig,
        environments: Environments,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        network = make_network(config, environments, np.random.SeedSequence(0))
        self._network = network.eval().requires_grad_(False)
        self._device = next(network.parameters()).device
        self._evaluate = Arithmetic(config.precision, self._device, network).evaluate
        if weights is not None:
            self.load(weights)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take other weights, and still the noise.

        Args:
            weights: A ``state_dict``; copied.
        """
        self._network.load_state_dict(weights)
        for module in self._network.modules():
            if isinstance(module, NoisyLinear):
                module.noise_in.zero_()
                module.noise_out.zero_()

    @torch.no_grad()
    def best(self, observations: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
        """The value of each state under the greedy policy, and its action.

        Args:
            observations: [N, ...].

        Returns:
            max_a Q(s, a) [N], and argmax_a Q(s, a) [N].
        """
        parts = torch.from_numpy(observations).to(self._device).split(PART)
        q_values = torch.cat([self._evaluate(self._network, part) for part in parts])
        values, actions = q_values.max(dim=1)
        return values.cpu(), actions.cpu()
