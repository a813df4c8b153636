"""One evaluation: a network's weights in, episodes and what was predicted of them out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.environments.atari import AtariEnvironments
from qdiverge.agents.environments.experience import Episode
from qdiverge.agents.evaluation.environments import environments_under, seed_number
from qdiverge.agents.evaluation.overestimation import Overestimation, overestimation
from qdiverge.agents.evaluation.player import Player
from qdiverge.agents.evaluation.playing import (
    NetworkPolicy,
    PlayedEpisode,
    RandomPolicy,
    explorer_of,
    play,
)
from qdiverge.agents.evaluation.protocols import Protocol
from qdiverge.agents.evaluation.spectators import Spectator
from qdiverge.agents.networks.given import MakeNetwork
from qdiverge.agents.settings.agent_config import AgentConfig

MOST_ENVS = 10  # environments that play together
EVALUATION, RANDOM_PLAY = 101, 102  # keep their seeds apart from those of training


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation has seen.

    Args:
        protocol: The rules it followed.
        seed: What it was seeded with.
        num_envs: Environments that played together; the episodes depend on it.
        episodes: Every one of them.
        values: Predicted values against realised returns, an entry for each episode.
        overestimation: The same over the steps of all.
        frames: Pictures of the first episode, uint8 [height, width, 3] each, where it was filmed.
        frame_rate: How many of them a second.
    """

    protocol: Protocol
    seed: int
    num_envs: int
    episodes: tuple[PlayedEpisode, ...]
    values: tuple[Overestimation, ...]
    overestimation: Overestimation
    frames: tuple[NDArray[np.uint8], ...] = ()
    frame_rate: float = 0.0


def evaluate(
    config: AgentConfig,
    weights: Mapping[str, Tensor],
    protocol: Protocol,
    *,
    make_q_network: MakeNetwork | None = None,
    seed: int = 1,
    is_filmed: bool = False,
    on_episode: Callable[[Episode], None] | None = None,
) -> Evaluation:
    """Play whole episodes with a network, and hold it to what it predicted.

    Args:
        config: What the network is made from, and how its learner counts rewards and ends.
        weights: What its agent plays with: its ``state_dict``, of agents with continuous actions
            those of all their networks.
        protocol: The rules.
        make_q_network: The trainer's, where it had one.
        seed: Fixes every episode, for a given number of them.
        is_filmed: Whether to keep pictures of the first episode; it plays the same.
        on_episode: Told of each episode as it ends.

    Returns:
        What was seen.

    Raises:
        InvalidValueError: the environment is unknown, or the protocol is not for it.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    num_envs = min(protocol.episodes, MOST_ENVS)
    games, exploration = np.random.SeedSequence(seed, spawn_key=(EVALUATION,)).spawn(2)
    environments = environments_under(protocol, config, num_envs, games)
    config = config.settled(isinstance(environments, AtariEnvironments))
    threads, spectator = torch.get_num_threads(), None
    try:
        if config.torch_threads is not None:
            torch.set_num_threads(config.torch_threads)
        player = Player(config, environments, weights, make_q_network)
        policy = NetworkPolicy(player, explorer_of(environments, exploration), protocol.epsilon)
        if is_filmed:
            spectator = Spectator(environments, config, protocol, seed_number(games))
        follow = spectator.follow if spectator else None
        episodes = play(environments, policy, protocol.episodes, on_episode, follow)
    finally:
        torch.set_num_threads(threads)
        environments.close()
        if spectator is not None:
            spectator.close()
    return Evaluation(
        protocol=protocol,
        seed=seed,
        num_envs=num_envs,
        episodes=episodes,
        values=tuple(value_check([played], config) for played in episodes),
        overestimation=value_check(episodes, config),
        frames=tuple(spectator.frames) if spectator else (),
        frame_rate=spectator.rate if spectator else 0.0,
    )


def play_randomly(
    config: AgentConfig,
    protocol: Protocol,
    *,
    seed: int = 1,
    on_episode: Callable[[Episode], None] | None = None,
) -> tuple[PlayedEpisode, ...]:
    """Play as many episodes uniformly at random; on Atari at 10 Hz, every sixth frame.

    Source: Mnih et al. (2015), Methods: Evaluation procedure: 10 Hz is about the fastest that a
    human presses a button; in between the last action is repeated.

    Args:
        config: Names the environment.
        protocol: The rules; its ε does not matter.
        seed: Fixes every episode, for a given number of them.
        on_episode: Told of each episode as it ends.

    Returns:
        The episodes.

    Raises:
        InvalidValueError: the environment is unknown, or the protocol is not for it.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    num_envs = min(protocol.episodes, MOST_ENVS)
    games, actions = np.random.SeedSequence(seed, spawn_key=(RANDOM_PLAY,)).spawn(2)
    environments = environments_under(protocol, config, num_envs, games, is_random_agent=True)
    try:
        policy = RandomPolicy(explorer_of(environments, actions))
        return play(environments, policy, protocol.episodes, on_episode)
    finally:
        environments.close()


def value_check(episodes: Sequence[PlayedEpisode], config: AgentConfig) -> Overestimation:
    """Return what was predicted in these episodes, max_a Q(s_t, a), against the returns realised.

    Both as the learner counts: rewards clipped where it clips, returns ended by a lost life where
    it lets that end them, and both of the policy that played, its random actions included.

    Args:
        episodes: One or more.
        config: Of the learner, settled.

    Returns:
        The means over all steps whose return is known; see
        :func:`qdiverge.agents.evaluation.overestimation.discounted_returns` for those cut short.
    """
    rewards = np.concatenate([played.rewards for played in episodes])
    life_lost = np.concatenate([played.life_lost for played in episodes])
    last = np.cumsum([len(played.rewards) for played in episodes]) - 1
    ended = life_lost & config.terminal_on_life_loss
    ended[last] |= [played.episode.terminated for played in episodes]
    truncated = np.zeros_like(ended)
    truncated[last] = ~ended[last]
    return overestimation(
        torch.from_numpy(np.concatenate([played.values for played in episodes])),
        torch.from_numpy(rewards.clip(-1.0, 1.0) if config.sampling.clip_rewards else rewards),
        torch.from_numpy(ended),
        config.discount,
        truncated=torch.from_numpy(truncated),
    )
