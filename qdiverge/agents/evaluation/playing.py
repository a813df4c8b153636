"""Whole episodes of one policy, exactly as many as asked for.

Environments that play in parallel end their short episodes first: whoever stops at the first n that
end has a bias towards short ones. Here each environment plays a number of episodes that is fixed
beforehand, and what it plays after them is not counted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.continuous.behaviour_noise import EpsilonUniform
from qdiverge.agents.discrete.policies import EpsilonGreedy
from qdiverge.agents.environments.experience import Episode, VectorStep
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.environments.tasks import TaskEnvironments
from qdiverge.agents.evaluation.player import Player

Explorer = EpsilonGreedy | EpsilonUniform


@dataclass(frozen=True, eq=False)
class PlayedEpisode:
    """One episode, step by step.

    Args:
        episode: Its score, length, emulator frames and end.
        values: max_a Q(s_t, a), float64 [T]; NaN where nobody predicted.
        rewards: r_t, raw, float64 [T].
        life_lost: bool [T], a life was lost and the game went on.
    """

    episode: Episode
    values: NDArray[np.float64]
    rewards: NDArray[np.float64]
    life_lost: NDArray[np.bool_]


class Policy(Protocol):
    """Who plays."""

    def act(
        self, observations: NDArray[Any], playing: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return actions [E, ...] and predicted values [E]; those of who is done do not count.

        Args:
            observations: [E, ...].
            playing: bool [E], which environments still play.
        """


class NetworkPolicy:
    """Plays ε-greedily with a network.

    Args:
        player: Gives values and best actions.
        explorer: Gives random actions.
        epsilon: ε.
    """

    def __init__(self, player: Player, explorer: Explorer, epsilon: float) -> None:
        self._player, self._explorer, self._epsilon = player, explorer, epsilon

    def act(
        self, observations: NDArray[Any], playing: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """See :class:`Policy`; the player is asked for the environments that still play."""
        actions = self._explorer.explore(len(observations), self._epsilon)
        values = np.full(len(observations), np.nan)
        best, greedy = self._player.best(observations[playing])
        values[playing] = best.double().numpy()
        asked = self._explorer.undecided(actions[playing])
        chosen = actions[playing]
        chosen[asked] = greedy.numpy()[asked]
        actions[playing] = chosen
        actions[~playing] = 0
        return actions, values


class RandomPolicy:
    """Plays uniformly at random and predicts nothing.

    Args:
        explorer: Gives random actions.
    """

    def __init__(self, explorer: Explorer) -> None:
        self._explorer = explorer

    def act(
        self, observations: NDArray[Any], playing: NDArray[np.bool_]
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """See :class:`Policy`."""
        actions = self._explorer.explore(len(observations), epsilon=1.0)
        return actions, np.full(len(observations), np.nan)


def explorer_of(environments: Environments, seed: np.random.SeedSequence) -> Explorer:
    """Return what draws uniform actions for such environments."""
    if isinstance(environments, TaskEnvironments) and environments.action_size:
        return EpsilonUniform(environments.action_size, seed)
    return EpsilonGreedy(environments.num_actions, seed)


def quotas(num_episodes: int, num_envs: int) -> list[int]:
    """Return how many episodes each environment plays: as equal as can be.

    >>> quotas(num_episodes=7, num_envs=3)
    [3, 2, 2]
    """
    return [(num_episodes + num_envs - 1 - e) // num_envs for e in range(num_envs)]


def play(
    environments: Environments,
    policy: Policy,
    num_episodes: int,
    on_episode: Callable[[Episode], None] | None = None,
    on_step: Callable[[NDArray[Any], VectorStep], None] | None = None,
) -> tuple[PlayedEpisode, ...]:
    """Play exactly ``num_episodes`` whole episodes, from a reset.

    Args:
        environments: E of them, seeded; left open.
        policy: Who plays.
        num_episodes: How many; each environment plays its share, see :func:`quotas`.
        on_episode: Told of each episode as it ends.
        on_step: Told of the actions [E] and of what came of them.

    Returns:
        The episodes by environment, and within one in order.
    """
    left = np.array(quotas(num_episodes, environments.num_envs))
    played: list[list[PlayedEpisode]] = [[] for _ in left]
    steps: list[list[tuple[float, float, bool]]] = [[] for _ in left]  # value, reward, life lost
    observations = environments.reset()
    while (left > 0).any():
        playing = left > 0
        actions, values = policy.act(observations, playing)
        step = environments.step(actions)
        if on_step is not None:
            on_step(actions, step)
        for e in playing.nonzero()[0]:
            steps[e].append((values[e], float(step.rewards[e]), bool(step.life_lost[e])))
        for episode in step.episodes:
            place = episode.environment
            if left[place] > 0:
                left[place] -= 1
                played[place].append(_closed(episode, steps[place]))
                steps[place] = []
                if on_episode is not None:
                    on_episode(episode)
        observations = step.observations
    return tuple(episode for share in played for episode in share)


def _closed(episode: Episode, steps: list[tuple[float, float, bool]]) -> PlayedEpisode:
    values, rewards, life_lost = zip(*steps, strict=True)
    return PlayedEpisode(
        episode,
        np.array(values, dtype=np.float64),
        np.array(rewards, dtype=np.float64),
        np.array(life_lost, dtype=np.bool_),
    )
