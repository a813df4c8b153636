"""Twin delayed DDPG (Fujimoto et al. 2018, arXiv:1802.09477, Algorithm 1).

    y = r + γ (1 − d) min_j Q⁻_j(s', clip(μ⁻(s') + clip(σ ε, ±c), ±1))

The actor and all targets move at every second update.

Differs from the paper in its numbers alone, which are those of the published code as it is today;
the preset "paper" has the paper's.
"""

from collections.abc import Sequence

from torch import Tensor

from qdiverge.agents.continuous.deterministic import DeterministicAgent
from qdiverge.agents.continuous.networks import Actor, Critic
from qdiverge.agents.continuous.steps import adam, least
from qdiverge.agents.settings.continuous_config import TD3Config
from qdiverge.transitions import Transitions


class TD3(DeterministicAgent):
    """Two critics and one actor, each with a slow copy.

    Args:
        critics: Q_1 and Q_2.
        actor: μ.
        config: The numbers.
    """

    def __init__(self, critics: Sequence[Critic], actor: Actor, config: TD3Config) -> None:
        optimizer = adam(critics, config.learning_rate)
        super().__init__(critics, actor, optimizer, config, config.polyak)
        self.policy_period = config.policy_period
        self.policy_noise, self.noise_clip = config.policy_noise, config.noise_clip

    def following(self, batch: Transitions) -> Tensor:
        """Return the lesser critic at a smoothed action."""
        s = batch.next_observations
        actions = self.next_actions(s)
        noise = self.policy_noise * self._standard_normal(actions)
        noise = noise.clamp(-self.noise_clip, self.noise_clip)
        return least(self.target_critics, s, (actions + noise).clamp(-1.0, 1.0))
