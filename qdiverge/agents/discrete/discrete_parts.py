"""What a run with discrete actions is put together from."""

import numpy as np

from qdiverge.agents.discrete.behaviour import DiscreteBehaviour
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.discrete.dqn_network import make_network
from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.environments.kinds import Environments, environment_kind
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.replay.frames import check_fits
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.rules import check_effect


class DiscreteParts:
    """The parts of a DQN run; see :class:`qdiverge.agents.families.Parts`.

    Args:
        config: The run's.
    """

    def __init__(self, config: DQNConfig) -> None:
        self.config = config

    def environments(self, seed: np.random.SeedSequence) -> Environments:
        """Make the environments; an Atari replay is sized up first."""
        config = self.config
        number = int(seed.generate_state(1)[0])
        task = find_task(config.environment)
        check_effect(config, config.unread_in[environment_kind(config.environment)])
        if task is not None:
            return TaskEnvironments(
                task,
                config.num_envs,
                number,
                repeat_action_probability=config.repeat_action_probability,
                max_episode_steps=config.max_episode_frames,
            )
        check_fits(config.buffer_size, device=find_device(config.device))
        return AtariEnvironments(
            config.environment,
            config.num_envs,
            number,
            repeat_action_probability=config.repeat_action_probability,
            max_episode_frames=config.max_episode_frames,
            noop_max=config.noop_max,
            full_action_space=config.full_action_space,
            num_threads=config.emulator_threads,
        )

    def agent(
        self,
        environments: Environments,
        seed: np.random.SeedSequence,
        make_q_network: MakeNetwork | None = None,
    ) -> DQN:
        """Make what learns; the global generator is left alone."""
        return DQN(make_network(self.config, environments, seed, make_q_network), self.config)

    def behaviour(
        self, agent: Agent, environments: Environments, seed: np.random.SeedSequence
    ) -> DiscreteBehaviour:
        """Make what acts while ``agent`` learns."""
        assert isinstance(agent, DQN)
        return DiscreteBehaviour(agent, self.config, environments.num_actions, seed)
