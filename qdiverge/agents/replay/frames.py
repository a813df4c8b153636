"""Replay memory that holds every Atari frame once: 1M transitions in 7.06 GB.

A slot of the ring keeps the newest frame of its observation. So s_t and s_{t+1} together are the
five frames that end in slot t+1,

    s_t = frames[t-3 .. t],    s_{t+1} = frames[t-2 .. t+1],

with zeros for the frames before the episode's first: exactly what the environment showed.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.machine.free_memory import available_memory, device_memory
from qdiverge.agents.replay.ring import NO_ACTION as NO_ACTION
from qdiverge.agents.replay.ring import ReplayRing
from qdiverge.errors import InvalidValueError

CPU = torch.device("cpu")
HEADROOM = 0.9  # of the available memory; the rest is for the learner


class FrameReplay(ReplayRing):
    """The last ``capacity`` transitions of E environments, sampled uniformly.

    Args:
        capacity: Slots in all, a transition each (an ended episode takes one slot more).
        num_envs: E; every environment gets capacity // E slots.
        seed: Of the sampling; int or SeedSequence.
        frame_shape: Height and width, pixels.
        stack: Frames in one observation.

    Raises:
        InvalidValueError: the capacity is too small, or does not fit in memory; nothing is
            allocated then, and the capacity that fits is named.

    >>> replay = FrameReplay(1_000, num_envs=1, seed=0, frame_shape=(1, 1))
    >>> def frame(value): return np.full((1, 1, 1), value, dtype=np.uint8)
    >>> replay.begin(frame(7))
    >>> for t in range(3):
    ...     ended = np.array([t == 2])
    ...     replay.append(np.array([t]), np.array([1.0]), ended, frame(8 + t), ended, frame(50))
    >>> batch = replay.gather(np.array([1]))
    >>> batch.observations.flatten().tolist(), batch.next_observations.flatten().tolist()
    ([0, 0, 7, 8], [0, 7, 8, 9])
    """

    device = CPU  # where the frames are

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        *,
        frame_shape: tuple[int, int] = (84, 84),
        stack: int = 4,
    ) -> None:
        check_fits(capacity, frame_shape, self.device)
        super().__init__(capacity, num_envs, seed, stack=stack)
        self.frames = self._allocate((num_envs, self.slots, *frame_shape))
        self._window = np.arange(-(stack - 1), 2)  # slots that s and s' show, from that of s

    @property
    def kept(self) -> NDArray[Any]:
        """Return the frames, [E, slots, ...]."""
        return self.frames

    @staticmethod
    def part_to_keep(observations: NDArray[Any]) -> NDArray[Any]:
        """Return the newest frame of each stack: uint8 [E, H, W] of [E, 4, H, W]."""
        newest: NDArray[Any] = observations[:, -1]
        return newest

    def _both(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return s and s', views of one buffer of five frames each."""
        both = self._pixels(index, self._window)  # [N, 5, H, W]
        return both[:, :-1], both[:, 1:]

    def states(self, index: NDArray[np.int64]) -> Tensor:
        """Return the stacks that end in the slots ``index``, those of an episode's end included.

        Args:
            index: integers [N].

        Returns:
            uint8 [N, 4, H, W].
        """
        return self._pixels(index, self._window[:-1])

    def _allocate(self, shape: tuple[int, ...]) -> Any:
        """Return room for the frames, [E, slots, H, W]."""
        return np.zeros(shape, dtype=np.uint8)

    def _pixels(self, index: NDArray[np.int64], window: NDArray[np.int64]) -> Tensor:
        """Return the frames around slots, [N, len(window), H, W]; 0 before an episode's first."""
        slots = self.following(index[:, None], window)
        height, width = self.frames.shape[2:]
        flat = self.frames.reshape(-1, height * width)
        pixels = flat.take(slots.ravel(), axis=0).reshape(len(index), -1, height, width)
        depth = self.depth.reshape(-1).take(index)
        for row in (depth < self.stack - 1).nonzero()[0]:
            pixels[row, : self.stack - 1 - depth[row]] = 0
        return torch.from_numpy(pixels)


def bytes_needed(capacity: int, frame_shape: tuple[int, int] = (84, 84)) -> int:
    """Return bytes that a replay of ``capacity`` transitions takes: the frame, and 7 beside it.

    Returns:
        Bytes.

    >>> bytes_needed(1_000_000) / 1e9  # GB
    7.063
    """
    return capacity * (frame_shape[0] * frame_shape[1] + 7)


def check_fits(
    capacity: int, frame_shape: tuple[int, int] = (84, 84), device: torch.device = CPU
) -> int:
    """Return ``capacity`` if a replay of that size fits in the memory at hand.

    Raises:
        InvalidValueError: it does not; the capacity that does is named.
    """
    memory = available_memory() if device.type == "cpu" else device_memory(device)
    needed = bytes_needed(capacity, frame_shape)
    if memory is not None and needed > HEADROOM * memory:
        fits = int(HEADROOM * memory) // bytes_needed(1, frame_shape)
        raise InvalidValueError(
            f"a replay of {capacity:,} transitions takes {needed / 1e9:.2f} GB, more than the "
            f"{memory / 1e9:.2f} GB of memory available",
            got=f"buffer_size {capacity:,}",
            remedy=f"At most {fits:,} fit: set buffer_size to {_round_down(fits):,}.",
        )
    return capacity


def _round_down(number: int) -> int:
    """Return two significant digits, towards zero."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return number // unit * unit
