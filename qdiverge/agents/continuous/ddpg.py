"""Deep deterministic policy gradient (Lillicrap et al. 2016, arXiv:1509.02971, Algorithm 1).

    y = r + γ (1 − d) Q⁻(s', μ⁻(s'))

Differs from the paper in:

1. Gaussian noise explores, as in Fujimoto et al. (2018), for an Ornstein–Uhlenbeck process.
2. The critic reads the action in its first layer, not in its second.
3. No batch normalisation, no weight decay.
4. Uniformly random actions come first, for ``learning_starts`` agent steps.
"""

from torch import Tensor

from qdiverge.agents.continuous.deterministic import DeterministicAgent
from qdiverge.agents.continuous.networks import Actor, Critic
from qdiverge.agents.continuous.steps import adam
from qdiverge.agents.settings.continuous_config import DDPGConfig
from qdiverge.transitions import Transitions


class DDPG(DeterministicAgent):
    """One critic and one actor, each with a slow copy.

    Args:
        critic: Q.
        actor: μ.
        config: The numbers.
    """

    def __init__(self, critic: Critic, actor: Actor, config: DDPGConfig) -> None:
        optimizer = adam([critic], config.learning_rate)
        super().__init__([critic], actor, optimizer, config, config.polyak)

    def following(self, batch: Transitions) -> Tensor:
        """Return Q⁻(s', μ⁻(s'))."""
        s = batch.next_observations
        values: Tensor = self._bootstrap(s, self.next_actions(s))
        return values
