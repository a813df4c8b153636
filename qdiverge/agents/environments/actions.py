"""What an agent's actions mean to a task: a number of a list, or a point of a box."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.errors import InvalidValueError

MOST_ACTIONS = 254  # what a replay slot can tell apart


@dataclass(frozen=True)
class DiscreteActions:
    """A actions, for the agent 0 … A − 1.

    Args:
        num_actions: A.
        least: What the task calls the first one.
    """

    num_actions: int
    least: int = 0

    def of_task(self, action: Any) -> int:
        """Return the task's own action."""
        return int(action) + self.least


@dataclass(frozen=True, eq=False)
class BoxActions:
    """Actions a ∈ [−1, 1]^k of the agent: low + (a + 1)/2 · (high − low) of the task.

    Args:
        low: The least action, of any shape.
        high: The largest.

    >>> BoxActions(np.array([-2.0, 0.0]), np.array([2.0, 10.0])).of_task(np.array([-1.0, 0.5]))
    array([-2. ,  7.5])
    """

    low: NDArray[Any]
    high: NDArray[Any]

    @property
    def size(self) -> int:
        """Return k, the numbers in an action."""
        return prod(self.low.shape)

    def of_task(self, action: Any) -> NDArray[Any]:
        """Return the task's own action."""
        share = (np.asarray(action, dtype=np.float64).reshape(self.low.shape) + 1.0) / 2.0
        return (self.low + share * (self.high - self.low)).astype(self.low.dtype)


Actions = DiscreteActions | BoxActions


def discrete_actions(name: str, space: Any) -> DiscreteActions:
    """Return the actions of a task that has a list of them.

    Raises:
        InvalidValueError: it has none, or too many.
    """
    from gymnasium.spaces import Box, Discrete

    if not isinstance(space, Discrete) or space.n > MOST_ACTIONS:
        raise InvalidValueError(
            f"{name} must have at most {MOST_ACTIONS} discrete actions to learn Q-values of",
            got=space,
            remedy="For continuous actions: qdiverge train td3, sac, ddpg or qlearning."
            if isinstance(space, Box)
            else "",
        )
    return DiscreteActions(int(space.n), int(space.start))


def box_actions(name: str, space: Any) -> BoxActions:
    """Return the actions of a task that has a box of them, bounded on every side.

    Raises:
        InvalidValueError: it has none, or one without bounds.
    """
    from gymnasium.spaces import Box, Discrete

    if not isinstance(space, Box) or not np.issubdtype(space.dtype, np.floating):
        raise InvalidValueError(
            f"{name} must have continuous actions, a box of numbers",
            got=space,
            remedy="For discrete actions: qdiverge train dqn."
            if isinstance(space, Discrete)
            else "",
        )
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all()):
        raise InvalidValueError(
            f"the actions of {name} must be bounded on every side",
            got=space,
            remedy="Wrap it in gymnasium.wrappers.RescaleAction or ClipAction, and name it "
            "module:Id.",
        )
    if not (space.low < space.high).all():
        raise InvalidValueError(f"{name} must let every action vary", got=space)
    return BoxActions(space.low, space.high)
