"""Networks as an evaluation plays them: copies of its own, without noise."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.machine.arithmetic import Arithmetic
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.agents.parts import Config, Environments, make_agent, make_network
from qdiverge.agents.settings.dqn import DQNConfig

PART = 100  # states asked for at once


class Player(Protocol):
    """Says what to do, and what it is worth."""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights that an agent plays with; copied."""

    def best(self, observations: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
        """The value of each state under the policy played [N], and its action [N] or [N, k]."""


def make_player(
    config: Config,
    environments: Environments,
    weights: Mapping[str, Tensor] | None = None,
    make_q_network: MakeNetwork | None = None,
) -> Player:
    """A player of the run's make.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.
        weights: Of :meth:`Agent.playing_weights`; None: whatever they start as.
        make_q_network: The trainer's, where it had one.
    """
    if isinstance(config, DQNConfig):
        return QuietNetwork(config, environments, weights, make_q_network)
    return QuietAgent(config, environments, weights)


class QuietNetwork:
    """A network of the run's make, in the run's arithmetic, that only answers.

    It is made anew, since a deep copy would carry along the hooks of whoever watches the original.
    A noisy layer is its mean, μ. Every generator is left alone.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.
        weights: A ``state_dict``; None: whatever they start as.
        make_q_network: See :func:`make_player`.
    """

    def __init__(
        self,
        config: DQNConfig,
        environments: Environments,
        weights: Mapping[str, Tensor] | None = None,
        make_q_network: MakeNetwork | None = None,
    ) -> None:
        network = make_network(config, environments, np.random.SeedSequence(0), make_q_network)
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


class QuietAgent:
    """An agent of continuous control that only answers, by its policy without noise.

    A state is worth min_j Q_j(s, μ(s)) to it; of SAC's soft critics that is with the entropies to
    come.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.
        weights: See :func:`make_player`.
    """

    def __init__(
        self,
        config: Config,
        environments: Environments,
        weights: Mapping[str, Tensor] | None = None,
    ) -> None:
        agent = make_agent(config, environments, np.random.SeedSequence(0))
        assert isinstance(agent, ContinuousAgent)
        self._agent = agent
        if weights is not None:
            self.load(weights)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take other weights."""
        self._agent.load_playing_weights(weights)

    @torch.no_grad()
    def best(self, observations: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
        """The value of each state under the policy, and its action.

        Args:
            observations: [N, d].

        Returns:
            [N], and [N, k].
        """
        agent = self._agent
        values, actions = [], []
        for part in torch.from_numpy(observations).to(agent.device).split(PART):
            actions.append(agent.best_actions(part))
            values.append(agent.values(part, actions[-1]))
        return torch.cat(values).cpu(), torch.cat(actions).nan_to_num(nan=0.0).cpu()
