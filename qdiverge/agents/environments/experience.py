"""What the environments give back: a step of each of them, and the episodes that ended in it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episode:
    """One episode that has ended.

    Args:
        environment: Index of the environment that played it.
        score: Sum of the raw rewards.
        length: Agent steps.
        frames: Emulator frames, opening no-ops included; the last step may take fewer than 4.
        terminated: True where the game ended, False where the frame limit cut it short.
    """

    environment: int
    score: float
    length: int
    frames: int
    terminated: bool


@dataclass(frozen=True, eq=False)
class VectorStep:
    """One agent step of each of E environments.

    Args:
        observations: [E, *shape], what to act on next: the new episode's first where one ended.
            On Atari uint8 [E, 4, 84, 84], oldest frame first, zeros before the episode's first.
        next_observations: like them, s' of this transition: the old episode's last where
            one ended, else the same as ``observations``.
        rewards: float32 [E], raw.
        terminated: bool [E], the game is over.
        truncated: bool [E], the frame limit cut the episode short.
        life_lost: bool [E], a life was lost and the game goes on.
        episodes: The episodes that ended in this step.
    """

    observations: NDArray[Any]
    next_observations: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    life_lost: NDArray[np.bool_]
    episodes: tuple[Episode, ...]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """Return bool [E]: an episode ended, either way."""
        return self.terminated | self.truncated
