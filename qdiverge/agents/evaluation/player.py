"""An agent as an evaluation plays it: a copy of its own, without noise."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.families import parts_of
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.agent_config import AgentConfig

PART = 100  # states asked for at once


class Player:
    """An agent of the run's make, in the run's arithmetic, that only answers.

    It is made anew, since a deep copy would carry along the hooks of whoever watches the original.
    A noisy layer is its mean, μ. Every generator is left alone.

    Args:
        config: What it is made from.
        environments: They know its inputs and actions.
        weights: Of :meth:`Agent.playing_weights`; copied. None: whatever they start as.
        make_q_network: The trainer's, where it had one.
    """

    def __init__(
        self,
        config: AgentConfig,
        environments: Environments,
        weights: Mapping[str, Tensor] | None = None,
        make_q_network: MakeNetwork | None = None,
    ) -> None:
        seed = np.random.SeedSequence(0)
        self._agent = parts_of(config).agent(environments, seed, make_q_network)
        for network in self._agent.networks.values():
            network.eval().requires_grad_(False)
        if weights is not None:
            self.load(weights)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take other weights, and still the noise.

        Args:
            weights: Of :meth:`Agent.playing_weights`; copied.
        """
        self._agent.load_playing_weights(weights)

    @torch.no_grad()
    def best(self, observations: NDArray[np.generic]) -> tuple[Tensor, Tensor]:
        """Return the value of each state under the policy played, and its action.

        Args:
            observations: [N, ...].

        Returns:
            [N], and [N] of discrete actions or [N, k] of continuous ones.
        """
        parts = torch.from_numpy(observations).to(self._agent.device).split(PART)
        values, actions = zip(*map(self._agent.best, parts), strict=True)
        return torch.cat(values).cpu(), torch.cat(actions).cpu()
