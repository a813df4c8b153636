"""What a run is put together from: its environments, its network, its replay."""

import numpy as np
import torch
from torch import nn

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.environments.atari import AtariEnvironments, make_atari
from qdiverge.agents.environments.gymnasium_task import STACKED_FRAMES
from qdiverge.agents.environments.tasks import TaskEnvironments, find_task
from qdiverge.agents.networks import MLP, MinAtarNetwork, NatureNetwork, channels_last
from qdiverge.agents.replay.arrays import ArrayReplay
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
    check_fits(config.buffer_size)
    return make_atari(
        config.environment,
        config.num_envs,
        number,
        repeat_action_probability=config.repeat_action_probability,
        max_episode_frames=config.max_episode_frames,
        noop_max=config.noop_max,
    )


def make_network(
    config: DQNConfig, environments: Environments, seed: np.random.SeedSequence
) -> nn.Module:
    """The network that reads such observations; the global generator is left alone.

    The Nature network reads four frames, the one of MinAtar small grids, an MLP vectors.
    """
    options = {
        "dueling": config.dueling,
        "layer_norm": config.layer_norm,
        "noisy": config.noisy,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed.generate_state(1)[0]))
        if environments.shape == STACKED_FRAMES:
            return channels_last(NatureNetwork(environments.num_actions, **options))
        if len(environments.shape) == 3:
            return MinAtarNetwork(environments.shape, environments.num_actions, **options)
        sizes = [environments.shape[0], *config.hidden_sizes, environments.num_actions]
        return MLP(sizes, **options)


def make_replay(
    config: DQNConfig, environments: Environments, seed: np.random.SeedSequence
) -> ReplayRing:
    """A replay for such observations.

    Raises:
        InvalidValueError: it is too small, or does not fit in memory.
    """
    if isinstance(environments, AtariEnvironments):
        return FrameReplay(config.buffer_size, config.num_envs, seed)
    shape, dtype = environments.shape, environments.dtype
    return ArrayReplay(config.buffer_size, config.num_envs, seed, shape=shape, dtype=dtype)
