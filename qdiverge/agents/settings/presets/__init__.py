"""Published settings under a name, by algorithm and then by name."""

from collections.abc import Mapping

from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.presets import control, discrete

PRESETS: Mapping[str, Mapping[str, AgentConfig]] = {"dqn": discrete.PRESETS, **control.PRESETS}
