"""Tasks, Gymnasium's and MinAtar's, stepped one after another.

Every step is a transition (the task is reset in the step that ends its episode), with the accounts
kept as for Atari. There is no emulator thread: ``recv`` does the work.
"""

import copy
import difflib
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from qdiverge.agents.environments.atari import emulator_seeds
from qdiverge.agents.environments.experience import Episode, VectorStep
from qdiverge.agents.environments.games import missing_atari_extra
from qdiverge.agents.environments.gymnasium_task import GymnasiumTask
from qdiverge.agents.environments.minatar import MAX_STEPS, STICKINESS, MinAtarGame, resolve_minatar
from qdiverge.environment_copies import copied_by_state
from qdiverge.errors import InvalidValueError

Task = GymnasiumTask | MinAtarGame


class TaskEnvironments:
    """E copies of one task; an episode ends where the task or its time limit says so.

    Attributes:
        shape: Of one observation.
        dtype: Of its entries.
        num_actions: A of discrete actions; 0 of continuous ones.
        action_size: k of continuous actions, [−1, 1]^k; 0 of discrete ones.

    Args:
        task: What ``find_task`` returns: a registered Gymnasium id, or a MinAtar game.
        num_envs: E.
        seed: Fixes every episode; runs with different seeds share none.
        repeat_action_probability: MinAtar's sticky actions.
        max_episode_steps: MinAtar's bound on an episode.
        is_continuous: Whether its actions are to be continuous; they are to be discrete otherwise.

    Raises:
        InvalidValueError: its actions are of the other kind, or no network reads its observations.
        MissingExtraError: something that it needs is not installed.

    >>> tasks = TaskEnvironments("CartPole-v1", num_envs=2, seed=1)
    >>> tasks.reset().shape, tasks.num_actions
    ((2, 4), 2)
    >>> tasks.close()
    """

    def __init__(
        self,
        task: str,
        num_envs: int,
        seed: int,
        *,
        repeat_action_probability: float = STICKINESS,
        max_episode_steps: int = MAX_STEPS,
        is_continuous: bool = False,
    ) -> None:
        def make() -> Task:
            if resolve_minatar(task) is None:
                return GymnasiumTask(task, is_continuous=is_continuous)
            return MinAtarGame(
                task,
                repeat_action_probability=repeat_action_probability,
                max_steps=max_episode_steps,
            )

        self.task = task
        self.num_envs = num_envs
        self._seed = seed
        self._seeds = emulator_seeds(seed, num_envs)  # of the last reset
        self._tasks = [make() for _ in range(num_envs)]
        self.num_actions = self._tasks[0].num_actions
        self.action_size = self._tasks[0].action_size
        self.shape = self._tasks[0].shape
        self.dtype = self._tasks[0].dtype
        self._actions: NDArray[Any] = np.zeros(num_envs, dtype=np.int64)
        self._scores = np.zeros(num_envs, dtype=np.float64)
        self._lengths = np.zeros(num_envs, dtype=np.int64)

    def reset(self, restart: int = 0) -> NDArray[Any]:
        """Start every task from its seed; a second call gives the same episodes again.

        Args:
            restart: Another number, other episodes.

        Returns:
            The first observations, [E, *shape].
        """
        self._scores[:] = 0.0
        self._lengths[:] = 0
        self._seeds = emulator_seeds(self._seed, self.num_envs, restart)
        tasks = zip(self._tasks, self._seeds, strict=True)
        return np.stack([task.reset(seed=int(seed)) for task, seed in tasks])

    def send(self, actions: NDArray[Any]) -> None:
        """Take the actions that ``recv`` will carry out.

        Args:
            actions: integers [E], or floats [E, k].
        """
        self._actions = np.array(actions)

    def recv(self) -> VectorStep:
        """Take one step of every task.

        Returns:
            What happened in it.
        """
        rows = [self._step(e) for e in range(self.num_envs)]
        following, nexts, rewards, terminated, truncated, episodes = zip(*rows, strict=True)
        return VectorStep(
            observations=np.stack(following),
            next_observations=np.stack(nexts),
            rewards=np.array(rewards, dtype=np.float32),
            terminated=np.array(terminated),
            truncated=np.array(truncated),
            life_lost=np.zeros(self.num_envs, dtype=np.bool_),
            episodes=tuple(episode for episode in episodes if episode is not None),
        )

    def step(self, actions: NDArray[Any]) -> VectorStep:
        """Send and receive in one.

        Args:
            actions: integers [E], or floats [E, k].

        Returns:
            What happened.
        """
        self.send(actions)
        return self.recv()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        for task in self._tasks:
            if isinstance(task, GymnasiumTask):
                copied_by_state(task.environment, memo)
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        vars(twin).update({name: copy.deepcopy(x, memo) for name, x in vars(self).items()})
        return twin

    def close(self) -> None:
        """Free the tasks."""
        for task in self._tasks:
            task.close()
        self._tasks = []

    def _step(self, e: int) -> tuple[Any, ...]:
        task = self._tasks[e]
        observation, reward, terminated, truncated = task.step(self._actions[e])
        self._scores[e] += reward
        self._lengths[e] += 1
        following, episode = observation, None
        if terminated or truncated:
            length = int(self._lengths[e])
            episode = Episode(e, float(self._scores[e]), length, length, terminated)
            following = task.reset()
            self._scores[e], self._lengths[e] = 0.0, 0
        # a state that is terminal is not also cut short
        return following, observation, reward, terminated, truncated and not terminated, episode


def find_task(name: str) -> str | None:
    """Return the task called ``name``, where it is one outside Atari.

    Args:
        name: A registered Gymnasium id, ``"module:id"`` where importing the module registers it,
            ``"MinAtar/Breakout-v1"``, or ``"qdiverge/FourRooms-v0"``, an exact MDP.

    Returns:
        Its id; None where the name must be an Atari game's, or nothing at all.

    Raises:
        MissingExtraError: gymnasium is not installed.
        InvalidValueError: there is no such task, but there are some of a similar name; or the
            module cannot be imported.

    >>> find_task("CartPole-v1"), find_task("ALE/Pong-v5"), find_task("MinAtar/Breakout")
    ('CartPole-v1', None, 'MinAtar/Breakout-v1')
    """
    game = resolve_minatar(name)
    if game is not None:
        return game
    try:
        from gymnasium import registry
    except ImportError as error:
        raise missing_atari_extra() from error
    module, _, task = name.rpartition(":")
    if task.startswith("qdiverge/"):
        module = "qdiverge.mdp.registered"
    if module:
        _import(module, name)
    tasks = [key for key, spec in registry.items() if "ale_py" not in str(spec.entry_point)]
    if task in tasks:
        return task
    similar = difflib.get_close_matches(task, tasks, n=3, cutoff=0.8)
    if task.startswith("qdiverge/"):
        similar = [known for known in tasks if known.startswith("qdiverge/")]
    if module or (similar and not task.startswith("ALE/")):
        raise InvalidValueError(
            f"{module} must register the environment that follows it"
            if module
            else "environment must be an Atari game or a Gymnasium task",
            got=repr(name),
            remedy=f"Did you mean {', '.join(similar)}?" if similar else "",
        )
    return None


def _import(module: str, name: str) -> None:
    """Import a module of the user's, from the working directory, too."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        importlib.import_module(module)
    except Exception as error:  # whatever it may raise
        raise InvalidValueError(
            f"the module before the colon in {name!r} must be one that Python can import",
            got=f"{type(error).__name__}: {error}",
            remedy="It is looked for where Python looks, and in the working directory.",
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
