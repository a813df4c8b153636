"""The environments of an evaluation: a run's own, few, and under the rules of a protocol."""

import numpy as np

from qdiverge.agents.environments.atari import FRAME_SKIP, AtariEnvironments
from qdiverge.agents.environments.games import resolve_game
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.environments.tasks import find_task
from qdiverge.agents.evaluation.protocols import RANDOM_AGENT_SKIP, Protocol
from qdiverge.agents.families import parts_of
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.dqn_config import DQNConfig


def game_of(config: AgentConfig) -> str | None:
    """Return the ROM that the configuration's environment means; None where it is no Atari game.

    Raises:
        InvalidValueError: there is no such environment.
        MissingExtraError: gymnasium or ale-py is not installed.

    >>> game_of(DQNConfig(environment="ALE/MsPacman-v5")), game_of(DQNConfig("CartPole-v1"))
    ('ms_pacman', None)
    """
    return None if find_task(config.environment) else resolve_game(config.environment)


def own_protocol(config: DQNConfig, name: str, episodes: int, epsilon: float) -> Protocol:
    """Return the rules of the run's own environments, with another ε."""
    is_atari = game_of(config) is not None
    return Protocol(
        name=name,
        source="the run's own environments",
        episodes=episodes,
        epsilon=epsilon,
        max_episode_frames=config.max_episode_frames if is_atari else None,
        most_noops=max(0, config.noop_max - 1) if is_atari else None,
        repeat_action_probability=config.repeat_action_probability if is_atari else None,
    )


def own_environments(
    config: AgentConfig, num_envs: int, seed: np.random.SeedSequence
) -> Environments:
    """Make environments as ``config`` has them, so many, apart from those of the run; no replay.

    Raises:
        InvalidValueError: there are no such environments.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    return parts_of(config.small(num_envs)).environments(seed)


def environments_under(
    protocol: Protocol,
    config: AgentConfig,
    num_envs: int,
    seed: np.random.SeedSequence,
    *,
    is_random_agent: bool = False,
) -> Environments:
    """Return environments under the rules of ``protocol``.

    Args:
        protocol: The rules.
        config: Names the environment and its actions.
        num_envs: E.
        seed: Fixes every episode.
        is_random_agent: Whether an Atari agent acts at every sixth frame, not every fourth.

    Raises:
        InvalidValueError: there are no such environments, or the protocol is not for them.
        MissingExtraError: gymnasium or ale-py is not installed.
    """
    if protocol.max_episode_frames is None:
        return own_environments(config, num_envs, seed)
    assert isinstance(config, DQNConfig)  # the protocol is for Atari alone
    return AtariEnvironments(
        config.environment,
        num_envs,
        seed_number(seed),
        repeat_action_probability=protocol.repeat_action_probability or 0.0,
        max_episode_frames=protocol.max_episode_frames,
        noop_max=(protocol.most_noops or 0) + 1,  # openings have fewer than this
        full_action_space=config.full_action_space,
        frame_skip=RANDOM_AGENT_SKIP if is_random_agent else FRAME_SKIP,
    )


def seed_number(seed: np.random.SeedSequence) -> int:
    """Return the number that environments are seeded with."""
    return int(seed.generate_state(1)[0])
