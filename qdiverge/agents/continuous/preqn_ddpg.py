"""PreQN (Achiam et al. 2019, arXiv:1903.08894): DDPG without its target networks.

    y = r + γ (1 − d) Q(s', μ(s')),    critic: θ + α Jᵀ K⁻¹ (y − Q)

The critic's step is :class:`qdiverge.PreQN`: no Adam, α shrunk until ΔQ is aligned with y − Q.
What it does otherwise than the paper stands in :mod:`qdiverge.preqn.step`.
"""

from torch import Tensor

from qdiverge.agents.continuous.deterministic import DeterministicAgent
from qdiverge.agents.continuous.networks import Actor, Critic
from qdiverge.agents.once import Once
from qdiverge.agents.preqn import make_preqn
from qdiverge.agents.settings.continuous_config import DDPGConfig
from qdiverge.errors import InvalidValueError
from qdiverge.preqn import PreQN, PreQNStep
from qdiverge.transitions import Transitions


class PreQNDDPG(DeterministicAgent):
    """One critic, one actor, no copies.

    Args:
        critic: Q.
        actor: μ.
        config: The numbers, with the update preqn.
    """

    preqn = Once[PreQN]()

    def __init__(self, critic: Critic, actor: Actor, config: DDPGConfig) -> None:
        self.preqn = make_preqn(critic, config)
        super().__init__([critic], actor, self.preqn, config, None)

    def following(self, batch: Transitions) -> Tensor:
        """Return Q(s', μ(s'))."""
        s = batch.next_observations
        values: Tensor = self._bootstrap(s, self.next_actions(s))
        return values

    def _step(
        self, batch: Transitions, errors: Tensor, loss: Tensor
    ) -> tuple[bool, PreQNStep | None]:
        try:
            return True, self.preqn.step(batch.observations, batch.actions, errors)
        except InvalidValueError:  # the kernel has overflowed before the values did
            return False, None
