"""What a run is put together from: its environments, its network, its replay."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import nn

from qdiverge.agents.agent import Agent, Behaviour
from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.continuous.exploration import ContinuousBehaviour
from qdiverge.agents.continuous.make import make_continuous
from qdiverge.agents.discrete.behaviour import DiscreteBehaviour
from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.environments.atari import AtariEnvironments, make_atari
from qdiverge.agents.environments.gymnasium_task import STACKED_FRAMES
from qdiverge.agents.environments.minatar import resolve_minatar
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.machine.device import find_device
from qdiverge.agents.networks import (
    MLP,
    CategoricalQ,
    MinAtarNetwork,
    NatureNetwork,
    channels_last,
    start_at,
)
from qdiverge.agents.networks.given import MakeNetwork, given_network
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.device_frames import DeviceFrameReplay
from qdiverge.agents.replay.frames import FrameReplay, check_fits
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.agents.settings.continuous import ContinuousConfig
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.agents.settings.rules import (
    ENVIRONMENT_RULES,
    FIXED_NETWORK,
    GIVEN_NETWORK,
    SCALED_NETWORK,
    EnvironmentKind,
    check_effect,
)
from qdiverge.errors import InvalidValueError

Environments = AtariEnvironments | TaskEnvironments
Config = DQNConfig | ContinuousConfig


def environment_kind(environment: str) -> EnvironmentKind:
    """What kind of environment a name means.

    Raises:
        InvalidValueError: none, but it is close to a task's name.
        MissingExtraError: gymnasium is not installed.

    >>> [environment_kind(name) for name in ("pong", "MinAtar/Breakout-v1", "CartPole-v1")]
    ['atari', 'minatar', 'task']
    """
    task = find_task(environment)
    if task is None:
        return "atari"
    return "task" if resolve_minatar(task) is None else "minatar"


def settings_of(config: Config) -> dict[str, Any]:
    """The settings and whose they are, ready for JSON; see ``saved.config_from_json``."""
    return {"algorithm": config.algorithm} | dataclasses.asdict(config)


def make_environments(config: Config, seed: np.random.SeedSequence) -> Environments:
    """The environments that ``config`` names; an Atari replay is sized up first.

    Raises:
        InvalidValueError: there are no such environments, a setting has no effect in them, or the
            replay does not fit in memory.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    number = int(seed.generate_state(1)[0])
    task = find_task(config.environment)
    if isinstance(config, ContinuousConfig):
        if task is None or environment_kind(task) != "task":
            raise InvalidValueError(
                f"{config.algorithm} acts in Gymnasium tasks with continuous actions",
                got=config.environment,
                remedy="Take such a task, Pendulum-v1 say; or qdiverge train dqn.",
            )
        return TaskEnvironments(task, config.num_envs, number, is_continuous=True)
    check_effect(config, ENVIRONMENT_RULES[environment_kind(config.environment)])
    if task is not None:
        return TaskEnvironments(
            task,
            config.num_envs,
            number,
            repeat_action_probability=config.repeat_action_probability,
            max_episode_steps=config.max_episode_frames,
        )
    check_fits(config.buffer_size, device=find_device(config.device))
    return make_atari(
        config.environment,
        config.num_envs,
        number,
        repeat_action_probability=config.repeat_action_probability,
        max_episode_frames=config.max_episode_frames,
        noop_max=config.noop_max,
        full_action_space=config.full_action_space,
        num_threads=config.emulator_threads,
    )


def settled(config: Config, environments: Environments) -> Config:
    """``config`` with what it leaves to the environments: rewards are clipped on Atari alone."""
    if isinstance(config, ContinuousConfig) or config.clip_rewards is not None:
        return config
    is_atari = isinstance(environments, AtariEnvironments)
    return dataclasses.replace(config, clip_rewards=is_atari)


def make_agent(
    config: Config,
    environments: Environments,
    seed: np.random.SeedSequence,
    make_q_network: MakeNetwork | None = None,
) -> Agent:
    """The agent that ``config`` is of, for such environments; the global generator is left alone.

    Raises:
        InvalidValueError: no network of the configuration reads such observations, there is no such
            device, or the network of ``make_q_network`` does not fit.
    """
    if isinstance(config, DQNConfig):
        return DQN(make_network(config, environments, seed, make_q_network), config)
    if make_q_network is not None:
        raise InvalidValueError(
            "only a DQN takes another network than that of its configuration",
            got=f"make_q_network for {config.algorithm}",
            remedy="Leave it out.",
        )
    assert isinstance(environments, TaskEnvironments)
    if len(environments.shape) != 1:
        raise InvalidValueError(
            f"{config.algorithm} reads observations that are vectors",
            got=f"arrays of shape {list(environments.shape)}",
        )
    return make_continuous(config, environments.shape[0], environments.action_size, seed)


def make_behaviour(
    agent: Agent, config: Config, environments: Environments, seed: np.random.SeedSequence
) -> Behaviour:
    """What acts in these environments while ``agent`` learns."""
    if isinstance(config, DQNConfig):
        assert isinstance(agent, DQN)
        return DiscreteBehaviour(agent, config, environments.num_actions, seed)
    assert isinstance(agent, ContinuousAgent)
    assert isinstance(environments, TaskEnvironments)
    return ContinuousBehaviour(agent, config, environments.action_size, seed)


def make_network(
    config: DQNConfig,
    environments: Environments,
    seed: np.random.SeedSequence,
    make_q_network: MakeNetwork | None = None,
) -> nn.Module:
    """The network that reads such observations; the global generator is left alone.

    It is made on the CPU, so that the first weights do not depend on the device.

    Raises:
        InvalidValueError: a setting has no effect on this network, there is no such device, or the
            network of ``make_q_network`` does not fit.
    """
    device = find_device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        if make_q_network is None:
            network = _own_network(config, environments, device)
        else:
            check_effect(config, (GIVEN_NETWORK,))
            observations = np.zeros((2, *environments.shape), dtype=environments.dtype)
            num_outputs = environments.num_actions * _atoms(config)
            network = given_network(
                make_q_network,
                torch.from_numpy(observations).to(device),
                num_outputs,
                is_noisy=config.noisy,
            )
    return finished(network, config).to(device)


def _own_network(config: DQNConfig, environments: Environments, device: torch.device) -> nn.Module:
    """The Nature network reads four frames, the one of MinAtar small grids, an MLP vectors."""
    is_image = len(environments.shape) > 1
    check_effect(config, (FIXED_NETWORK if is_image else SCALED_NETWORK,))
    options: dict[str, Any] = {
        "dueling": config.dueling,
        "layer_norm": config.layer_norm,
        "noisy": config.noisy,
        "num_atoms": _atoms(config),
    }
    if is_image:
        options["width_factor"] = config.width_factor
    if environments.shape == STACKED_FRAMES:
        network = NatureNetwork(environments.num_actions, **options)
        is_faster = device.type == "cpu" or config.precision == "bfloat16"
        return channels_last(network) if is_faster else network
    if len(environments.shape) == 3:
        return MinAtarNetwork(environments.shape, environments.num_actions, **options)
    sizes = [environments.shape[0], *config.hidden_sizes, environments.num_actions]
    return MLP(sizes, **options)


def _atoms(config: DQNConfig) -> int:
    """Outputs for each action."""
    return config.num_atoms if config.distributional else 1


def finished(network: nn.Module, config: DQNConfig) -> nn.Module:
    """What every network goes through: a distribution's mean, an optimistic start."""
    if config.distributional:
        network = CategoricalQ(
            network,
            value_min=config.value_min,
            value_max=config.value_max,
            num_atoms=config.num_atoms,
        )
    if config.optimistic_value is not None:
        start_at(network, config.optimistic_value)
    return network


def make_replay(
    config: Config, environments: Environments, seed: np.random.SeedSequence
) -> ReplayRing:
    """A replay for such observations.

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
