"""PreQN as an agent's settings describe it."""

from torch import nn

from qdiverge.agents.settings.preqn_settings import PreQNSettings
from qdiverge.preqn import PreQN


def make_preqn(q_network: nn.Module, settings: PreQNSettings) -> PreQN:
    """Return PreQN for a Q-network, or for a critic."""
    return PreQN(
        q_network,
        learning_rate=settings.preqn_learning_rate,
        alignment=settings.preqn_alignment,
        align_with=settings.preqn_align_with,
        damping=settings.preqn_damping,
    )
