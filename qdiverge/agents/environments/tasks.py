"""Gymnasium tasks with discrete actions and vector observations, stepped one after another.

Every step is a transition (the task is reset in the step that ends its episode), with the accounts
kept as for Atari. There is no emulator thread: ``recv`` does the work.
"""

import difflib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.environments.atari import emulator_seeds
from qdiverge.agents.environments.experience import Episode, VectorStep
from qdiverge.agents.environments.games import missing_atari_extra
from qdiverge.errors import InvalidValueError

MOST_ACTIONS = 254  # what a replay slot can tell apart


class TaskEnvironments:
    """E copies of one Gymnasium task; an episode ends where the task or its time limit says so.

    Args:
        task: A registered id.
        num_envs: E.
        seed: Fixes every episode; runs with different seeds share none.

    Raises:
        InvalidValueError: its actions are not discrete, or its observations are no vectors.

    >>> tasks = TaskEnvironments("CartPole-v1", num_envs=2, seed=1)
    >>> tasks.reset().shape, tasks.num_actions
    ((2, 4), 2)
    >>> tasks.close()
    """

    def __init__(self, task: str, num_envs: int, seed: int) -> None:
        import gymnasium
        from gymnasium.spaces import Box, Discrete

        first = gymnasium.make(task)
        actions, observations = first.action_space, first.observation_space
        if not isinstance(actions, Discrete) or actions.n > MOST_ACTIONS:
            first.close()
            raise InvalidValueError(
                f"{task} must have at most {MOST_ACTIONS} discrete actions to learn Q-values of",
                got=actions,
            )
        if not isinstance(observations, Box) or len(observations.shape) != 1:
            first.close()
            raise InvalidValueError(
                f"the observations of {task} must be vectors",
                got=observations,
                remedy="Take a task with a one-dimensional Box, such as CartPole-v1.",
            )
        self.task = task
        self.num_envs = num_envs
        self.num_actions = int(actions.n)
        self.width = int(observations.shape[0])  # numbers in one observation
        self._least_action = int(actions.start)
        self._seeds = emulator_seeds(seed, num_envs)
        self._tasks = [first] + [gymnasium.make(task) for _ in range(num_envs - 1)]
        self._actions = np.zeros(num_envs, dtype=np.int64)
        self._scores = np.zeros(num_envs, dtype=np.float64)
        self._lengths = np.zeros(num_envs, dtype=np.int64)

    def reset(self) -> NDArray[np.float32]:
        """Start every task from its seed; a second call gives the same episodes again.

        Returns:
            The first observations, float32 [E, width].
        """
        self._scores[:] = 0.0
        self._lengths[:] = 0
        first = [
            task.reset(seed=int(seed))[0]
            for task, seed in zip(self._tasks, self._seeds, strict=True)
        ]
        return np.stack(first).astype(np.float32)

    def send(self, actions: NDArray[np.int64]) -> None:
        """Take the actions that ``recv`` will carry out.

        Args:
            actions: integers [E].
        """
        self._actions = np.array(actions, dtype=np.int64)

    def recv(self) -> VectorStep:
        """One step of every task.

        Returns:
            What happened in it.
        """
        rows = [self._step(e) for e in range(self.num_envs)]
        following, nexts, rewards, terminated, truncated, episodes = zip(*rows, strict=True)
        return VectorStep(
            observations=np.stack(following).astype(np.float32),
            next_observations=np.stack(nexts).astype(np.float32),
            rewards=np.array(rewards, dtype=np.float32),
            terminated=np.array(terminated),
            truncated=np.array(truncated),
            life_lost=np.zeros(self.num_envs, dtype=np.bool_),
            episodes=tuple(episode for episode in episodes if episode is not None),
        )

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """``send`` and ``recv`` in one.

        Args:
            actions: integers [E].

        Returns:
            What happened.
        """
        self.send(actions)
        return self.recv()

    def close(self) -> None:
        """Free the tasks."""
        for task in self._tasks:
            task.close()
        self._tasks = []

    def _step(self, e: int) -> tuple[Any, ...]:
        action = int(self._actions[e]) + self._least_action
        observation, reward, terminated, truncated, _ = self._tasks[e].step(action)
        self._scores[e] += float(reward)
        self._lengths[e] += 1
        following, episode = observation, None
        if terminated or truncated:
            length = int(self._lengths[e])
            episode = Episode(e, float(self._scores[e]), length, length, bool(terminated))
            following, _ = self._tasks[e].reset()
            self._scores[e], self._lengths[e] = 0.0, 0
        # a state that is terminal is not also cut short
        return following, observation, reward, terminated, truncated and not terminated, episode


def find_task(name: str) -> str | None:
    """The Gymnasium task called ``name``, where it is one outside Atari.

    Returns:
        Its id; None where the name must be an Atari game's, or nothing at all.

    Raises:
        MissingExtraError: gymnasium is not installed.
        InvalidValueError: there is no such task, but there are some of a similar name.

    >>> find_task("CartPole-v1"), find_task("ALE/Pong-v5")
    ('CartPole-v1', None)
    """
    try:
        from gymnasium import registry
    except ImportError as error:
        raise missing_atari_extra() from error
    tasks = [key for key, spec in registry.items() if "ale_py" not in str(spec.entry_point)]
    if name in tasks:
        return name
    close = difflib.get_close_matches(name, tasks, n=3, cutoff=0.8)
    if close and not name.startswith("ALE/"):
        raise InvalidValueError(
            "environment must be an Atari game or a Gymnasium task",
            got=repr(name),
            remedy=f"Did you mean {', '.join(close)}?",
        )
    return None
