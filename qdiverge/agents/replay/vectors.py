"""Replay memory for observations that are short vectors: each is held once."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.replay.frames import check_fits
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.diagnostics.transitions import Transitions


class VectorReplay(ReplayRing):
    """The last ``capacity`` transitions of E environments whose observations are vectors.

    Args:
        capacity: Slots in all.
        num_envs: E; every environment gets capacity // E slots.
        seed: Of the sampling; int or SeedSequence.
        width: Numbers in one observation.

    Raises:
        InvalidValueError: the capacity is too small, or does not fit in memory.

    >>> replay = VectorReplay(100, num_envs=1, seed=0, width=1)
    >>> replay.begin(np.array([[0.5]]))
    >>> no = np.array([False])
    >>> replay.append(np.array([1]), np.array([2.0]), no, np.array([[0.75]]), no, np.array([[9.0]]))
    >>> batch = replay.gather(np.array([0]))
    >>> batch.observations.tolist(), batch.next_observations.tolist()
    ([[0.5]], [[0.75]])
    """

    def __init__(
        self, capacity: int, num_envs: int, seed: int | np.random.SeedSequence, *, width: int
    ) -> None:
        check_fits(capacity, (4, width))  # four bytes a number
        super().__init__(capacity, num_envs, seed, stack=1)
        self.vectors = np.zeros((num_envs, self.slots, width), dtype=np.float32)

    @staticmethod
    def part_to_keep(observations: NDArray[Any]) -> NDArray[Any]:
        """All of it: [E, width]."""
        return observations

    def gather(self, index: NDArray[np.int64]) -> Transitions:
        """The transitions in the slots ``index``, each environment * slots + position.

        Args:
            index: integers [N] of slots that hold a transition.

        Returns:
            N transitions.
        """
        return Transitions(
            observations=self.states(index),
            actions=torch.from_numpy(self.actions.reshape(-1).take(index).astype(np.int64)),
            rewards=torch.from_numpy(self.rewards.reshape(-1).take(index)),
            next_observations=self.states(self.following(index, 1)),
            terminated=torch.from_numpy(self.terminated.reshape(-1).take(index)),
        )

    def states(self, index: NDArray[np.int64]) -> Tensor:
        """The observations in the slots ``index``, those of an episode's end included.

        Args:
            index: integers [N].

        Returns:
            float32 [N, width].
        """
        return torch.from_numpy(self.vectors.reshape(-1, self.vectors.shape[2])[index])

    def _store(self, at: tuple[Any, Any], kept: NDArray[Any]) -> None:
        self.vectors[at] = kept
