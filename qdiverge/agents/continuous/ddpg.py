"""Deep deterministic policy gradient (Lillicrap et al. 2016, arXiv:1509.02971, Algorithm 1).

    y = r + γ (1 − d) Q⁻(s', μ⁻(s'))

Differs from the paper in:

1. Gaussian noise explores, as in Fujimoto et al. (2018), for an Ornstein–Uhlenbeck process.
2. The critic reads the action in its first layer, not in its second.
3. No batch normalisation, no weight decay.
4. Uniformly random actions come first, for ``learning_starts`` agent steps.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from qdiverge.agents.continuous.deterministic import DeterministicAgent
from qdiverge.agents.continuous.networks import Actor, Critic
from qdiverge.agents.continuous.steps import adam, slow_copy
from qdiverge.agents.once import Once
from qdiverge.agents.settings.continuous import DDPGConfig
from qdiverge.td import backup
from qdiverge.transitions import Transitions


class DDPG(DeterministicAgent):
    """One critic and one actor, each with a slow copy.

    Args:
        critic: Q.
        actor: μ.
        config: The numbers.
    """

    target_actor = Once[Actor]()

    def __init__(self, critic: Critic, actor: Actor, config: DDPGConfig) -> None:
        optimizer = adam([critic], config.learning_rate)
        super().__init__([critic], actor, optimizer, config, polyak=config.polyak)
        self.target_actor = slow_copy(actor)

    def next_actions(self, observations: Tensor) -> Tensor:
        """Return μ⁻(s')."""
        return self.target_actor(observations)

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Return R + γ (1 − d) Q⁻(s', μ⁻(s'))."""
        s = batch.next_observations
        following = self.target_critics[0](s, self.target_actor(s))
        return backup(batch.rewards, batch.terminated, self.discount, following)

    def _slow_and_fast(self) -> list[tuple[nn.Module, nn.Module]]:
        return [*super()._slow_and_fast(), (self.target_actor, self.actor)]

    def _others(self) -> Mapping[str, nn.Module]:
        return {"actor": self.actor, "target_actor": self.target_actor}
