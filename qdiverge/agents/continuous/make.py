"""An agent of continuous control, put together from its configuration."""

from typing import Any

import numpy as np
import torch

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.ddpg import DDPG
from qdiverge.agents.continuous.networks import Actor, Critic, GaussianActor
from qdiverge.agents.continuous.preqn_ddpg import PreQNDDPG
from qdiverge.agents.continuous.q_learning import QLearning
from qdiverge.agents.continuous.sac import SAC
from qdiverge.agents.continuous.td3 import TD3
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.settings.continuous import (
    ContinuousConfig,
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)
from qdiverge.errors import InvalidTypeError


def make_continuous(
    config: ContinuousConfig,
    observation_size: int,
    action_size: int,
    seed: np.random.SeedSequence,
) -> ContinuousAgent:
    """The agent that ``config`` is of; its first weights do not depend on the device.

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
        "the configuration of an algorithm was expected", got=type(config).__name__
    )
