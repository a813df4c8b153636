"""What a run is put together from: its environments, its network, its replay."""

import numpy as np
import torch
from torch import nn

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.device import find_device
from qdiverge.agents.environments.atari import AtariEnvironments, make_atari
from qdiverge.agents.environments.gymnasium_task import STACKED_FRAMES
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.networks import MLP, MinAtarNetwork, NatureNetwork, channels_last
from qdiverge.agents.replay.arrays import ArrayReplay
from qdiverge.agents.replay.device_frames import DeviceFrameReplay
from qdiverge.agents.replay.frames import FrameReplay, check_fits
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.errors import InvalidValueError

Environments = AtariEnvironments | TaskEnvironments


def make_environments(config: DQNConfig, seed: np.random.SeedSequence) -> Environments:
    """The environments that ``config`` names; an Atari replay is sized up first.

    Raises:
        InvalidValueError: there are no such environments, or the replay does not fit in memory.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    number = int(seed.generate_state(1)[0])
    task = find_task(config.environment)
    if task is not None:
        if config.terminal_on_life_loss:
            raise InvalidValueError(
                "terminal_on_life_loss is for Atari games",
                got=f"it with {task}, which has no lives",
                remedy="Leave it out.",
            )
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
        num_threads=config.emulator_threads,
    )


def make_network(
    config: DQNConfig, environments: Environments, seed: np.random.SeedSequence
) -> nn.Module:
    """The network that reads such observations; the global generator is left alone.

    The Nature network reads four frames, the one of MinAtar small grids, an MLP vectors. It is made
    on the CPU, so that the first weights do not depend on the device.

    Raises:
        InvalidValueError: there is no such device.
    """
    device = find_device(config.device)
    options = {
        "dueling": config.dueling,
        "layer_norm": config.layer_norm,
        "noisy": config.noisy,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        if environments.shape == STACKED_FRAMES:
            network = NatureNetwork(environments.num_actions, **options)
            is_faster = device.type == "cpu" or config.precision == "bfloat16"
            return channels_last(network).to(device) if is_faster else network.to(device)
        if len(environments.shape) == 3:
            grids = MinAtarNetwork(environments.shape, environments.num_actions, **options)
            return grids.to(device)
        sizes = [environments.shape[0], *config.hidden_sizes, environments.num_actions]
        return MLP(sizes, **options).to(device)


def make_replay(
    config: DQNConfig, environments: Environments, seed: np.random.SeedSequence
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
    shape, dtype = environments.shape, environments.dtype
    return ArrayReplay(config.buffer_size, config.num_envs, seed, shape=shape, dtype=dtype)
