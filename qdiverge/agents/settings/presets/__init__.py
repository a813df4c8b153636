"""Published settings under a name, by algorithm and then by name."""

from collections.abc import Mapping

from qdiverge.agents.settings.base import AgentConfig
from qdiverge.agents.settings.presets import continuous, discrete

PRESETS: Mapping[str, Mapping[str, AgentConfig]] = {"dqn": discrete.PRESETS, **continuous.PRESETS}
