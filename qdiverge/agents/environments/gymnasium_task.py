"""One Gymnasium environment with its observations as arrays a network can read."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qdiverge.agents.environments.actions import Actions, BoxActions, box_actions, discrete_actions
from qdiverge.errors import InvalidValueError, MissingExtraError

LEAST_IMAGE_SIDE = 32  # pixels; smaller arrays are read as they are, number by number
STACKED_FRAMES = (4, 84, 84)  # what the Nature network reads


class GymnasiumTask:
    """A registered Gymnasium environment, seen as vectors of numbers.

    A Box is flattened to float32, as it is, unscaled. A state number (Discrete), MultiBinary and
    MultiDiscrete become one-hot booleans; Tuple and Dict the float32 of their parts in a row, as in
    ``gymnasium.spaces.flatten``. Stacks of 4 frames of 84 x 84 bytes stay what they are.

    Args:
        name: A registered id.
        is_continuous: Whether its actions are to be a box; they are to be discrete otherwise.

    Attributes:
        num_actions: A of discrete actions, else 0.
        action_size: k of continuous ones, which the agent has in [−1, 1]^k; else 0.

    Raises:
        InvalidValueError: it cannot be made, its actions are of the other kind, or no network here
            reads its observations.
        MissingExtraError: something that it needs is not installed.

    >>> task = GymnasiumTask("FrozenLake-v1")
    >>> task.shape, task.num_actions, task.reset(seed=0).nonzero()[0].tolist()
    ((16,), 4, [0])
    """

    def __init__(self, name: str, *, is_continuous: bool = False) -> None:
        self._task = _make(name)
        try:
            space = self._task.action_space
            self._space = self._task.observation_space
            self.actions: Actions
            self.actions = (box_actions if is_continuous else discrete_actions)(name, space)
            self.num_actions, self.action_size = 0, 0
            if isinstance(self.actions, BoxActions):
                self.action_size = self.actions.size
            else:
                self.num_actions = self.actions.num_actions
            self.shape, self.dtype = _read_as(name, self._space)
        except BaseException:
            self._task.close()
            raise

    @property
    def environment(self) -> Any:
        """Return Gymnasium's own."""
        return self._task

    def reset(self, seed: int | None = None) -> NDArray[Any]:
        """Begin an episode; with a seed, as a new environment of that seed would.

        Args:
            seed: Of all that follows; None goes on with the present random numbers.

        Returns:
            The first observation.
        """
        return self._array(self._task.reset(seed=seed)[0])

    def step(self, action: Any) -> tuple[NDArray[Any], float, bool, bool]:
        """Take one step.

        Args:
            action: 0 … A − 1, wherever the environment's own count from; or [k] in [−1, 1].

        Returns:
            The observation, the reward, terminated, truncated.
        """
        observation, reward, terminated, truncated, _ = self._task.step(
            self.actions.of_task(action)
        )
        return self._array(observation), float(reward), bool(terminated), bool(truncated)

    def close(self) -> None:
        """Free the environment."""
        self._task.close()

    def _array(self, observation: Any) -> NDArray[Any]:
        if getattr(observation, "shape", None) == self.shape:
            return np.asarray(observation, dtype=self.dtype)
        from gymnasium.spaces import flatten

        return np.asarray(flatten(self._space, observation), dtype=self.dtype)


def _make(name: str) -> Any:
    import gymnasium

    try:
        return gymnasium.make(name, disable_env_checker=True)
    except (ImportError, gymnasium.error.DependencyNotInstalled) as error:
        raise MissingExtraError(
            f"{name} needs something that is not installed", got=error, remedy="Install it."
        ) from error
    except Exception as error:  # whatever a task of somebody else's may raise
        raise InvalidValueError(
            f"the environment {name} must be one that Gymnasium can make",
            got=f"{type(error).__name__}: {error}",
        ) from error


def _read_as(name: str, space: Any) -> tuple[tuple[int, ...], DTypeLike]:
    """Return the shape and dtype in which observations of ``space`` are kept."""
    from gymnasium import spaces

    if isinstance(space, spaces.Box) and space.dtype == np.uint8:
        if space.shape == STACKED_FRAMES:
            return STACKED_FRAMES, np.uint8
        if sum(side >= LEAST_IMAGE_SIDE for side in space.shape) >= 2:
            raise InvalidValueError(
                f"the observations of {name} must be vectors, small arrays, or stacks of 4 frames "
                "of 84 x 84 bytes: the networks here read no other images",
                got=f"an image of {' x '.join(str(side) for side in space.shape)}",
                remedy="Register it within GrayscaleObservation, ResizeObservation((84, 84)) and "
                "FrameStackObservation(4) of gymnasium.wrappers, and name it module:Id.",
            )
    try:
        flat = spaces.flatten_space(space)
    except NotImplementedError:
        flat = None
    if not isinstance(flat, spaces.Box):
        raise InvalidValueError(
            f"the observations of {name} must be numbers of a fixed count",
            got=space,
            remedy="Take a task whose space gymnasium.spaces.flatten_space makes a Box of, or wrap "
            "it so.",
        )
    one_hot = isinstance(space, spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete)
    return flat.shape, np.bool_ if one_hot else np.float32
