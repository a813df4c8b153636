"""What a run is put together from, by the family of its algorithm: discrete or continuous."""

from typing import Any, Protocol

import numpy as np

from qdiverge.agents.continuous.continuous_parts import ContinuousParts
from qdiverge.agents.discrete.discrete_parts import DiscreteParts
from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.interfaces import Agent, Behaviour
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.device_frames import DeviceFrameReplay
from qdiverge.agents.replay.frames import FrameReplay
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.agents.settings.agent_config import AgentConfig


class Parts(Protocol):
    """What a family of algorithms gives to a run."""

    def environments(self, seed: np.random.SeedSequence) -> Environments:
        """Make the environments that the configuration names.

        Raises:
            InvalidValueError: there are none such, a setting has no effect in them, or the replay
                does not fit in memory.
            MissingExtraError: gymnasium or ale-py is not installed.
        """

    def agent(
        self,
        environments: Environments,
        seed: np.random.SeedSequence,
        make_q_network: MakeNetwork | None = None,
    ) -> Agent:
        """Make what learns, for such environments; the global generator is left alone.

        Raises:
            InvalidValueError: no network of the configuration reads such observations, there is no
                such device, or the network of ``make_q_network`` does not fit.
        """

    def behaviour(
        self, agent: Agent, environments: Environments, seed: np.random.SeedSequence
    ) -> Behaviour:
        """Make what acts in these environments while ``agent`` learns."""


def parts_of(config: AgentConfig) -> Parts:
    """Return the parts of a run of this configuration."""
    family: Any = ContinuousParts if config.is_continuous else DiscreteParts
    parts: Parts = family(config)
    return parts


def make_replay(
    config: AgentConfig, environments: Environments, seed: np.random.SeedSequence
) -> ReplayRing:
    """Make a replay for such observations.

    Raises:
        InvalidValueError: it is too small, or does not fit in memory.
    """
    if isinstance(environments, AtariEnvironments):
        device = find_device(config.device)
        if device.type != "cpu":
            return DeviceFrameReplay(config.buffer_size, config.num_envs, seed, device=device)
        return FrameReplay(config.buffer_size, config.num_envs, seed)
    return ArrayReplay(
        config.buffer_size,
        config.num_envs,
        seed,
        shape=environments.shape,
        dtype=environments.dtype,
        action_size=environments.action_size,
    )
