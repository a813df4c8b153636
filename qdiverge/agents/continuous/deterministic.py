"""What agents with a deterministic actor do alike.

behave: clip(μ(s) + σ ε, ±1),    learn: ascend mean_i Q_1(s_i, μ(s_i))
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.behaviour_noise import noisy
from qdiverge.agents.continuous.networks import Actor, Critic
from qdiverge.agents.continuous.steps import adam, descend
from qdiverge.agents.once import Once
from qdiverge.agents.settings.continuous_config import DDPGConfig, TD3Config
from qdiverge.agents.targets import slow_copy
from qdiverge.transitions import Transitions


class DeterministicAgent(ContinuousAgent):
    """Critics and an actor μ.

    Attributes:
        actor: μ.
        target_actor: μ⁻, its slow copy; None without target networks.
        actor_optimizer: Adam.

    Args:
        critics: Used in place.
        actor: Likewise.
        optimizer: Of the critics.
        config: The numbers.
        polyak: τ; None: no target networks.
    """

    actor = Once[Actor]()
    target_actor = Once[Actor | None]()
    actor_optimizer = Once[torch.optim.Optimizer]()

    def __init__(
        self,
        critics: Sequence[Critic],
        actor: Actor,
        optimizer: torch.optim.Optimizer,
        config: DDPGConfig | TD3Config,
        polyak: float | None,
    ) -> None:
        super().__init__(critics, optimizer, config, polyak)
        self.target_actor = None if polyak is None else slow_copy(actor)
        self.actor, self.exploration_noise = actor, config.exploration_noise
        self.actor_optimizer = adam([actor], config.actor_learning_rate)

    @property
    def optimizers(self) -> Sequence[torch.optim.Optimizer]:
        """Return the critics' and the actor's."""
        return [self.optimizer, self.actor_optimizer]

    def explore(
        self, observations: NDArray[np.generic], noise: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return clip(μ(s) + σ ε, ±1)."""
        return noisy(self.act(observations), noise, self.exploration_noise)

    def best_actions(self, observations: Tensor) -> Tensor:
        """Return μ(s)."""
        actions: Tensor = self.actor(observations)
        return actions

    def next_actions(self, observations: Tensor) -> Tensor:
        """Return μ⁻(s'), without noise; μ(s') where there is no target network."""
        actions: Tensor = (self.target_actor or self.actor)(observations)
        return actions

    def improve(self, batch: Transitions) -> Mapping[str, float]:
        """Ascend Q_1(s, μ(s))."""
        s = batch.observations
        loss = -self.critics[0](s, self.actor(s)).mean()
        return {"actor_loss": descend(self.actor, self.actor_optimizer, loss)}

    def _slow_and_fast(self) -> list[tuple[nn.Module, nn.Module]]:
        pairs = super()._slow_and_fast()
        return pairs if self.target_actor is None else [*pairs, (self.target_actor, self.actor)]

    def _others(self) -> Mapping[str, nn.Module]:
        slow = {} if self.target_actor is None else {"target_actor": self.target_actor}
        return {"actor": self.actor, **slow}
