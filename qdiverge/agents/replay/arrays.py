"""Replay memory for observations that share nothing with their neighbours: each is held once."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from qdiverge.agents.replay.frames import check_fits
from qdiverge.agents.replay.ring import ReplayRing


class ArrayReplay(ReplayRing):
    """The last ``capacity`` transitions of E environments; an observation is an array of any kind.

    A slot holds one whole observation, so s' costs nothing where the episode goes on.

    Attributes:
        arrays: The observations, [E, slots, *shape].

    Args:
        capacity: Slots in all.
        num_envs: E; every environment gets capacity // E slots.
        seed: Of the sampling; int or SeedSequence.
        shape: Of one observation.
        dtype: Of its entries.
        action_size: k of continuous actions; 0: they are discrete.

    Raises:
        InvalidValueError: the capacity is too small, or does not fit in memory.

    >>> replay = ArrayReplay(100, num_envs=1, seed=0, shape=(1,))
    >>> replay.begin(np.array([[0.5]]))
    >>> no = np.array([False])
    >>> replay.append(np.array([1]), np.array([2.0]), no, np.array([[0.75]]), no, np.array([[9.0]]))
    >>> batch = replay.gather(np.array([0]))
    >>> batch.observations.tolist(), batch.next_observations.tolist()
    ([[0.5]], [[0.75]])
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        *,
        shape: tuple[int, ...],
        dtype: DTypeLike = np.float32,
        action_size: int = 0,
    ) -> None:
        slot = np.dtype(dtype).itemsize * math.prod(shape) + 4 * action_size  # bytes
        check_fits(capacity, (1, slot))
        super().__init__(capacity, num_envs, seed, stack=1, action_size=action_size)
        self.arrays = np.zeros((num_envs, self.slots, *shape), dtype=dtype)

    @property
    def kept(self) -> NDArray[Any]:
        """Return the observations, [E, slots, ...]."""
        return self.arrays

    @staticmethod
    def part_to_keep(observations: NDArray[Any]) -> NDArray[Any]:
        """Return all of it: [E, *shape]."""
        return observations

    def states(self, index: NDArray[np.int64]) -> Tensor:
        """Return the observations in the slots ``index``, those of an episode's end included.

        Args:
            index: integers [N].

        Returns:
            [N, *shape], of the replay's dtype.
        """
        flat = self.arrays.reshape(-1, *self.arrays.shape[2:])
        return torch.from_numpy(flat.take(index, axis=0))
