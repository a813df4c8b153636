"""The replay of Atari frames with its frames on the learner's device, so that none is sent twice.

Slots are drawn on the host, by the same generator as elsewhere; what goes to the device for a batch
are their numbers. The frames before an episode's first are a last row of zeros.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdiverge.agents.replay.frames import FrameReplay
from qdiverge.transitions import Transitions


class DeviceFrameReplay(FrameReplay):
    """A FrameReplay on a device: for the same slots the same batches, in the device's memory.

    Args:
        capacity: Slots in all.
        num_envs: E.
        seed: Of the sampling.
        device: Where the frames are.
        frame_shape: Height and width, pixels.
        stack: Frames in one observation.

    Raises:
        InvalidValueError: the capacity is too small, or does not fit in the device's memory.
    """

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        *,
        device: torch.device,
        frame_shape: tuple[int, int] = (84, 84),
        stack: int = 4,
    ) -> None:
        self.device = device
        super().__init__(capacity, num_envs, seed, frame_shape=frame_shape, stack=stack)

    @property
    def kept(self) -> Any:
        """Return the frames, [E, slots, ...]: read and written in pieces, as arrays of the host."""
        return _HostView(self.frames)

    def gather(self, index: NDArray[np.int64]) -> Transitions:
        """Return the transitions in the slots ``index``, all of them on the device.

        Args:
            index: integers [N] of slots that hold a transition.

        Returns:
            N transitions.
        """
        return super().gather(index).to(self.device)

    def _allocate(self, shape: tuple[int, ...]) -> Any:
        num_envs, slots, height, width = shape
        rows = (num_envs * slots + 1, height * width)  # the last is the frame before an episode
        self._rows = torch.zeros(rows, dtype=torch.uint8, device=self.device)
        return self._rows[:-1].view(shape)

    def _pixels(self, index: NDArray[np.int64], window: NDArray[np.int64]) -> Tensor:
        slots = self.following(index[:, None], window)  # [N, W]
        missing = self.stack - 1 - self.depth.reshape(-1).take(index).astype(np.int64)
        slots[np.arange(len(window)) < missing[:, None]] = len(self._rows) - 1
        rows = torch.from_numpy(slots.ravel()).to(self.device, non_blocking=True)
        return self._rows.index_select(0, rows).view(*slots.shape, *self.frames.shape[2:])

    def _store(self, at: tuple[Any, Any], kept: NDArray[Any]) -> None:
        rings, heads = at
        rows = torch.from_numpy(rings * self.slots + heads).to(self.device)
        frames = torch.from_numpy(np.ascontiguousarray(kept)).to(self.device)
        self._rows.index_copy_(0, rows, frames.view(len(kept), -1))


class _HostView:
    """A tensor of a device that is indexed as an array of the host."""

    dtype = np.dtype(np.uint8)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self.shape = tensor, tuple(tensor.shape)

    def __getitem__(self, at: tuple[int, NDArray[np.int64]]) -> NDArray[np.uint8]:
        values: NDArray[np.uint8] = self._tensor[self._where(at)].cpu().numpy()
        return values

    def __setitem__(self, at: tuple[int, NDArray[np.int64]], values: NDArray[np.uint8]) -> None:
        frames = torch.from_numpy(np.ascontiguousarray(values))
        self._tensor[self._where(at)] = frames.to(self._tensor.device)

    def _where(self, at: tuple[int, NDArray[np.int64]]) -> tuple[int, Tensor]:
        return at[0], torch.from_numpy(at[1]).to(self._tensor.device)
