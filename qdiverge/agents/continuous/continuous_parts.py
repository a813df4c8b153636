"""What a run with continuous actions is put together from."""

from typing import Any

import numpy as np
import torch

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.behaviour_noise import ContinuousBehaviour
from qdiverge.agents.continuous.ddpg import DDPG
from qdiverge.agents.continuous.networks import Actor, Critic, GaussianActor
from qdiverge.agents.continuous.preqn_ddpg import PreQNDDPG
from qdiverge.agents.continuous.sac import SAC
from qdiverge.agents.continuous.search_q_learning import QLearning
from qdiverge.agents.continuous.td3 import TD3
from qdiverge.agents.environments.kinds import Environments, environment_kind
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.interfaces import Agent
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.continuous_config import (
    ContinuousConfig,
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)
from qdiverge.errors import InvalidTypeError, InvalidValueError


class ContinuousParts:
    """The parts of a run with continuous actions; see :class:`qdiverge.agents.families.Parts`.

    Args:
        config: The run's.
    """

    def __init__(self, config: ContinuousConfig) -> None:
        self.config = config

    def environments(self, seed: np.random.SeedSequence) -> Environments:
        """Make the environments."""
        config = self.config
        task = find_task(config.environment)
        if task is None or environment_kind(task) != "task":
            raise InvalidValueError(
                f"{config.algorithm} acts in Gymnasium tasks with continuous actions",
                got=config.environment,
                remedy="Take such a task, Pendulum-v1 say; or qdiverge train dqn.",
            )
        number = int(seed.generate_state(1)[0])
        return TaskEnvironments(task, config.num_envs, number, is_continuous=True)

    def agent(
        self,
        environments: Environments,
        seed: np.random.SeedSequence,
        make_q_network: MakeNetwork | None = None,
    ) -> ContinuousAgent:
        """Make what learns; the global generator is left alone."""
        if make_q_network is not None:
            raise InvalidValueError(
                "only a DQN takes another network than that of its configuration",
                got=f"make_q_network for {self.config.algorithm}",
                remedy="Leave it out.",
            )
        assert isinstance(environments, TaskEnvironments)
        if len(environments.shape) != 1:
            raise InvalidValueError(
                f"{self.config.algorithm} reads observations that are vectors",
                got=f"arrays of shape {list(environments.shape)}",
            )
        return make_continuous(self.config, environments.shape[0], environments.action_size, seed)

    def behaviour(
        self, agent: Agent, environments: Environments, seed: np.random.SeedSequence
    ) -> ContinuousBehaviour:
        """Make what acts while ``agent`` learns."""
        assert isinstance(agent, ContinuousAgent)
        assert isinstance(environments, TaskEnvironments)
        return ContinuousBehaviour(agent, self.config, environments.action_size, seed)


def make_continuous(
    config: ContinuousConfig, observation_size: int, action_size: int, seed: np.random.SeedSequence
) -> ContinuousAgent:
    """Make the agent that ``config`` is of; its first weights do not depend on the device.

    Args:
        config: The numbers.
        observation_size: Numbers in an observation.
        action_size: k.
        seed: Of the weights; the global generator is left alone.

    Raises:
        InvalidValueError: there is no such device.
        InvalidTypeError: it is the configuration of no agent.
    """
    device = find_device(config.device)
    options: dict[str, Any] = {"activation": config.activation, "layer_norm": config.layer_norm}
    sizes = observation_size, action_size, config.hidden_sizes

    def critic() -> Critic:
        return Critic(*sizes, **options).to(device)

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        if isinstance(config, QLearningConfig):
            return QLearning(critic(), action_size, config)
        if isinstance(config, SACConfig):
            gaussian = GaussianActor(*sizes, **options).to(device)
            return SAC([critic(), critic()], gaussian, action_size, config)
        actor = Actor(*sizes, **options).to(device)
        if isinstance(config, TD3Config):
            return TD3([critic(), critic()], actor, config)
        if isinstance(config, DDPGConfig):
            return (PreQNDDPG if config.update == "preqn" else DDPG)(critic(), actor, config)
    raise InvalidTypeError(
        "config must be the configuration of an algorithm", got=type(config).__name__
    )
