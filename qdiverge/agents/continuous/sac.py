"""Soft actor-critic with a tuned temperature (Haarnoja et al. 2018, arXiv:1812.05905).

    y = r + γ (1 − d) (min_j Q⁻_j(s', a') − α log π(a'|s')),   a' ~ π(·|s')        equation 5, twice
    actor: descend mean_i (α log π(a|s_i) − min_j Q_j(s_i, a)),  a ~ π(·|s_i)      equation 9
    temperature: descend −log α · mean_i (log π(a|s_i) + H̄)                        equation 18

Differs from the paper in:

1. The last step is taken in log α, as the published code does.
2. Uniformly random actions come first, for ``learning_starts`` agent steps.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.networks import Critic, GaussianActor, LogTemperature
from qdiverge.agents.continuous.steps import adam, as_array, descend, least
from qdiverge.agents.once import Once
from qdiverge.agents.settings.continuous_config import SACConfig
from qdiverge.transitions import Transitions


class SAC(ContinuousAgent):
    """Two critics with slow copies, an actor that draws, a temperature.

    Args:
        critics: Q_1 and Q_2.
        actor: π.
        action_size: k.
        config: The numbers.
    """

    actor = Once[GaussianActor]()
    actor_optimizer = Once[torch.optim.Optimizer]()
    temperature = Once[LogTemperature]()
    temperature_optimizer = Once[torch.optim.Optimizer]()

    def __init__(
        self, critics: Sequence[Critic], actor: GaussianActor, action_size: int, config: SACConfig
    ) -> None:
        super().__init__(critics, adam(critics, config.learning_rate), config, config.polyak)
        self.actor, self.action_size = actor, action_size
        self.actor_optimizer = adam([actor], config.actor_learning_rate)
        self.temperature = LogTemperature(config.temperature).to(self.device)
        self.is_tuned = config.tune_temperature
        entropy = config.target_entropy
        self.target_entropy = -float(action_size) if entropy is None else entropy
        rate = config.temperature_learning_rate
        self.temperature_optimizer = torch.optim.Adam(self.temperature.parameters(), lr=rate)

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Return the critics', the actor's and the temperature's."""
        return [self.optimizer, self.actor_optimizer, self.temperature_optimizer]

    @property
    def entropy_coefficient(self) -> float:
        """Return α."""
        return math.exp(float(self.temperature.log_alpha.detach()))

    @torch.no_grad()
    def explore(
        self, observations: NDArray[np.generic], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Draw a ~ π(·|s)."""
        actions, _ = self.actor.at(self._as_tensor(observations), self._as_tensor(noise))
        return as_array(actions)

    def best_actions(self, observations: Tensor) -> Tensor:
        """Return tanh(m(s))."""
        return self.actor(observations)

    def next_actions(
        self, observations: Tensor, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw a' ~ π(·|s'), and log π; by PyTorch's draws, or by standard normal ones, [N, k]."""
        if noise is None:
            shape = (len(observations), self.action_size)
            noise = torch.randn(shape, device=self.device)
        return self.actor.at(observations, noise)

    def following(self, batch: Transitions) -> Tensor:
        """Return the lesser critic at a drawn action, with its entropy."""
        s = batch.next_observations
        actions, log_probs = self.next_actions(s, self._standard_normal(batch.actions))
        return least(self.target_critics, s, actions) - self.entropy_coefficient * log_probs

    def improve(self, batch: Transitions) -> Mapping[str, float]:
        """Descend the actor's loss, then the temperature's."""
        α, s = self.entropy_coefficient, batch.observations
        actions, log_probs = self.actor.at(s, self._standard_normal(batch.actions))
        loss = (α * log_probs - least(self.critics, s, actions)).mean()
        numbers = {"actor_loss": descend(self.actor, self.actor_optimizer, loss), "alpha": α}
        if self.is_tuned:
            excess = float(log_probs.detach().mean()) + self.target_entropy
            loss = -self.temperature.log_alpha * excess
            numbers["alpha_loss"] = descend(self.temperature, self.temperature_optimizer, loss)
        return numbers

    def _others(self) -> Mapping[str, nn.Module]:
        return {"actor": self.actor, "temperature": self.temperature}
