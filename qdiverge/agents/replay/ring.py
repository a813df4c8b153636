"""The bookkeeping of a replay: one ring of slots per environment, FIFO (Mnih et al. 2015, Methods).

Slot t holds s_t, then a_t, r_t, d_t. The last observation of an episode takes a slot of its own,
marked as having no action (255, or NaN where actions are continuous); so does the newest
observation, whose action is still to come. So what follows slot t in its episode is in slot t+1,
and an episode ends at the first slot without action.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import Self

from qdiverge.agents.environments.experience import VectorStep
from qdiverge.agents.replay.priorities import Priorities
from qdiverge.errors import InvalidValueError
from qdiverge.partial_copies import copied_up_to
from qdiverge.transitions import Transitions

NO_ACTION = 255  # marks the slot of an episode's last observation


class ReplayRing(ABC):
    """The last ``capacity`` transitions of E environments; how observations are kept is left open.

    Attributes:
        slots: Slots in each environment's ring.
        priorities: Told of every transition that comes and goes; None: nobody is.

    Args:
        capacity: Slots in all, a transition each (an ended episode takes one slot more).
        num_envs: E; every environment gets capacity // E slots.
        seed: Of the sampling; int or SeedSequence.
        stack: Slots that one observation reads.
        action_size: k of continuous actions; 0: they are discrete.

    Raises:
        InvalidValueError: the capacity is too small.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        *,
        stack: int,
        action_size: int = 0,
    ) -> None:
        self.slots = capacity // num_envs
        if self.slots < stack + 2:
            raise InvalidValueError(
                f"the replay capacity must be at least {num_envs * (stack + 2)} transitions, "
                f"{stack + 2} for each of {num_envs} environments",
                got=capacity,
            )
        shape = (num_envs, self.slots)
        self.num_envs = num_envs
        self.stack = stack
        self.actions: NDArray[Any] = np.full(shape, NO_ACTION, dtype=np.uint8)
        if action_size:
            self.actions = np.full((*shape, action_size), np.nan, dtype=np.float32)
        self.rewards = np.zeros(shape, dtype=np.float32)
        self.terminated = np.zeros(shape, dtype=np.bool_)
        self.depth = np.zeros(shape, dtype=np.uint8)  # earlier slots of its episode, at most stack
        self.head = np.zeros(num_envs, dtype=np.int64)  # slot of the newest, still actionless
        self.filled = np.zeros(num_envs, dtype=np.int64)  # slots in use, the newest included
        self.begun = np.zeros(num_envs, dtype=np.int64)  # slots ever used: slot n is n % slots
        self.priorities: Priorities | None = None
        self._rng = np.random.default_rng(seed)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        if isinstance(kept := self.kept, np.ndarray):  # slots are filled from the first on
            memo[id(kept)] = copied_up_to(kept, int(self.filled.max()), axis=1)
        vars(twin).update({name: copy.deepcopy(x, memo) for name, x in vars(self).items()})
        return twin

    @property
    def bytes_in_use(self) -> int:
        """Return the bytes of all that was ever written of what the slots keep."""
        return int(self.kept.nbytes * self.filled.max() // self.slots)

    def __len__(self) -> int:
        """Return how many slots can be drawn from, the ends of episodes included."""
        return int(self._drawable().sum())

    def begin(self, kept: NDArray[Any]) -> None:
        """Note the first observation of an episode in every environment.

        An episode that was under way is cut off: its last observation stays, without action, and
        what led to it bootstraps from it, as where a time limit ends an episode.

        Args:
            kept: [E, ...], the part of it that a slot keeps, see ``part_to_keep``.
        """
        everywhere = np.arange(self.num_envs)
        fresh = self.depth[everywhere, self.head] == 0  # nothing has followed what is there
        self._advance(everywhere[~fresh])
        self.filled = np.maximum(self.filled, 1)
        self.begun = np.maximum(self.begun, 1)
        self._put(everywhere, kept, depth=np.zeros(self.num_envs, dtype=np.uint8))

    def store(
        self, actions: NDArray[Any], step: VectorStep, *, terminal_on_life_loss: bool = False
    ) -> None:
        """Note one step of every environment.

        Args:
            actions: What was done: integers [E], below 255; or floats [E, k].
            step: What came of it.
            terminal_on_life_loss: Whether nothing is bootstrapped where a life was lost, either.
        """
        lost = step.life_lost if terminal_on_life_loss else False
        self.append(
            actions=actions,
            rewards=step.rewards,
            terminated=step.terminated | lost,
            next_frames=self.part_to_keep(step.next_observations),
            ended=step.ended,
            first_frames=self.part_to_keep(step.observations),
        )

    def append(
        self,
        actions: NDArray[Any],
        rewards: NDArray[np.floating],
        terminated: NDArray[np.bool_],
        next_frames: NDArray[Any],
        ended: NDArray[np.bool_],
        first_frames: NDArray[Any],
    ) -> None:
        """Note one step of every environment, part by part.

        Args:
            actions: integers [E], below 255; or floats [E, k].
            rewards: [E].
            terminated: bool [E], True where nothing may be bootstrapped.
            next_frames: [E, ...], the part to keep of s'.
            ended: bool [E], the episode is over, terminated or truncated.
            first_frames: [E, ...], where ended: the same of the next episode's first observation.
        """
        everywhere = np.arange(self.num_envs)
        at = (everywhere, self.head)
        self.actions[at] = actions
        self.rewards[at] = rewards
        self.terminated[at] = terminated
        if self.priorities is not None:
            self.priorities.add(everywhere * self.slots + self.head)
        depth = np.minimum(self.depth[at] + 1, self.stack).astype(np.uint8)
        self._advance(everywhere)
        self._put(everywhere, next_frames, depth)
        if ended.any():
            over = ended.nonzero()[0]
            self._advance(over)
            self._put(over, first_frames[over], np.zeros(len(over), dtype=np.uint8))

    def sample(self, batch_size: int) -> Transitions:
        """Draw transitions uniformly, with replacement.

        Args:
            batch_size: N, how many.

        Returns:
            N transitions in tensors of their own (later steps do not change them).

        Raises:
            InvalidValueError: the replay is still empty.
        """
        return self.gather(self.draw(batch_size))

    def draw(self, batch_size: int, rng: np.random.Generator | None = None) -> NDArray[np.int64]:
        """Draw slots that hold a transition, uniformly, with replacement.

        Args:
            batch_size: N, how many.
            rng: What draws; None: the replay's own.

        Returns:
            integers [N], each environment * slots + position.

        Raises:
            InvalidValueError: the replay is still empty.
        """
        drawable = self._drawable()
        bounds = drawable.cumsum()
        if bounds[-1] == 0:
            raise InvalidValueError("the replay must hold a transition before one can be drawn")
        chosen = np.empty(batch_size, dtype=np.int64)
        missing = np.arange(batch_size)
        while len(missing):  # again for the few that hit the end of an episode
            draw = (rng or self._rng).integers(bounds[-1], size=len(missing))
            ring = np.searchsorted(bounds, draw, side="right")
            back = 1 + draw - (bounds - drawable)[ring]
            slot = ring * self.slots + (self.head[ring] - back) % self.slots
            chosen[missing] = slot
            missing = missing[~self.has_action(slot)]
        return chosen

    def taken(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Return the actions in slots ``index``, of any shape: integers, or floats [..., k]."""
        rows = self.actions.reshape(-1, *self.actions.shape[2:])
        actions: NDArray[Any] = rows.take(index, axis=0)
        return actions if actions.dtype.kind == "f" else actions.astype(np.int64)

    def has_action(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether the slots ``index`` hold one, [...]: False at the end of an episode."""
        actions = self.taken(index)
        is_one = ~np.isnan(actions[..., 0]) if actions.dtype.kind == "f" else actions != NO_ACTION
        return np.asarray(is_one)

    def following(self, index: NDArray[np.int64], steps: NDArray[Any] | int) -> NDArray[np.int64]:
        """Return the slots that come ``steps`` after ``index``, each in its own ring.

        Returns:
            integers, of the shape that the two broadcast to.
        """
        ring, position = np.divmod(index, self.slots)
        return np.asarray(ring * self.slots + (position + steps) % self.slots)

    @property
    @abstractmethod
    def kept(self) -> NDArray[Any]:
        """Return what the slots keep of their observations, [E, slots, ...]."""

    @staticmethod
    @abstractmethod
    def part_to_keep(observations: NDArray[Any]) -> NDArray[Any]:
        """Return what a slot keeps of observations [E, ...]."""

    def gather(self, index: NDArray[np.int64]) -> Transitions:
        """Return the transitions in the slots ``index``, each environment * slots + position.

        Args:
            index: integers [N] of slots that hold a transition.

        Returns:
            N transitions.
        """
        observations, next_observations = self._both(index)
        return Transitions(
            observations=observations,
            actions=torch.from_numpy(self.taken(index)),
            rewards=torch.from_numpy(self.rewards.reshape(-1).take(index)),
            next_observations=next_observations,
            terminated=torch.from_numpy(self.terminated.reshape(-1).take(index)),
        )

    @abstractmethod
    def states(self, index: NDArray[np.int64]) -> Tensor:
        """Return the observations in slots ``index``, [N, ...]; those without action, too."""

    def _both(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return s and s' of the transitions in slots ``index``, [N, ...] each."""
        return self.states(index), self.states(self.following(index, 1))

    def _store(self, at: tuple[Any, Any], kept: NDArray[Any]) -> None:
        self.kept[at] = kept

    def _drawable(self) -> NDArray[np.int64]:
        """Return slots of each ring that have a successor and whose whole stack is still there."""
        return np.minimum(self.filled - 1, self.slots - self.stack).clip(min=0)

    def _advance(self, rings: NDArray[np.int64]) -> None:
        self.head[rings] = (self.head[rings] + 1) % self.slots
        self.filled[rings] = np.minimum(self.filled[rings] + 1, self.slots)
        self.begun[rings] += 1
        if self.priorities is not None:  # the slot that now ceases to be drawable
            last = (self.head[rings] + self.stack - 1) % self.slots
            self.priorities.remove(rings * self.slots + last)

    def _put(self, rings: NDArray[np.int64], kept: NDArray[Any], depth: NDArray[np.uint8]) -> None:
        at = (rings, self.head[rings])
        self._store(at, kept)
        self.actions[at] = np.nan if self.actions.dtype.kind == "f" else NO_ACTION
        self.depth[at] = depth
