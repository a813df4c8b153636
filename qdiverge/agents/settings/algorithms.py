"""Every algorithm that there is, by the name under which a run is saved."""

from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.continuous_config import (
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)
from qdiverge.agents.settings.dqn_config import DQNConfig

CONFIGS: dict[str, type[AgentConfig]] = {
    kind.algorithm: kind for kind in (DQNConfig, DDPGConfig, TD3Config, SACConfig, QLearningConfig)
}
