"""Replay memory that holds every Atari frame once: 1M transitions in 7.06 GB.

One ring of slots per environment. Slot t holds the newest frame of s_t, then a_t, r_t, d_t. The
last observation of an episode takes a slot of its own, marked as having no action. So s_t and
s_{t+1} together are the five frames that end in slot t+1,

    s_t = frames[t-3 .. t],    s_{t+1} = frames[t-2 .. t+1],

with zeros for the frames before the episode's first: exactly what the environment showed. FIFO
and uniform sampling as in Mnih et al. (2015), Methods.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from qdiverge.agents.memory import available_memory
from qdiverge.diagnostics.transitions import Transitions
from qdiverge.errors import InvalidValueError

NO_ACTION = 255  # marks the slot of an episode's last observation
HEADROOM = 0.9  # of the available memory; the rest is for the learner


class FrameReplay:
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

    def __init__(
        self,
        capacity: int,
        num_envs: int,
        seed: int | np.random.SeedSequence,
        *,
        frame_shape: tuple[int, int] = (84, 84),
        stack: int = 4,
    ) -> None:
        self.slots = capacity // num_envs  # in each environment's ring
        if self.slots < stack + 2:
            raise InvalidValueError(
                f"the replay capacity must be at least {num_envs * (stack + 2)} transitions, "
                f"{stack + 2} for each of {num_envs} environments",
                got=capacity,
            )
        check_fits(capacity, frame_shape)
        shape = (num_envs, self.slots)
        self.num_envs = num_envs
        self.stack = stack
        self.frames = np.zeros((*shape, *frame_shape), dtype=np.uint8)
        self.actions = np.full(shape, NO_ACTION, dtype=np.uint8)
        self.rewards = np.zeros(shape, dtype=np.float32)
        self.terminated = np.zeros(shape, dtype=np.bool_)
        self.depth = np.zeros(shape, dtype=np.uint8)  # earlier frames of its episode, at most stack
        self.head = np.zeros(num_envs, dtype=np.int64)  # slot of the newest frame, still actionless
        self.filled = np.zeros(num_envs, dtype=np.int64)  # slots in use, the newest included
        self._rng = np.random.default_rng(seed)
        self._window = np.arange(-(stack - 1), 2)  # slots that s and s' show, from that of s

    def __len__(self) -> int:
        """How many slots can be drawn from, the ends of episodes included."""
        return int(self._drawable().sum())

    def begin(self, frames: NDArray[np.uint8]) -> None:
        """Note the first frame of an episode in every environment.

        Args:
            frames: uint8 [E, H, W].
        """
        everywhere = np.arange(self.num_envs)
        fresh = self.depth[everywhere, self.head] == 0  # nothing has followed the frame there
        self._advance(everywhere[~fresh])
        self.filled = np.maximum(self.filled, 1)
        self._put(everywhere, frames, depth=np.zeros(self.num_envs, dtype=np.uint8))

    def append(
        self,
        actions: NDArray[np.integer],
        rewards: NDArray[np.floating],
        terminated: NDArray[np.bool_],
        next_frames: NDArray[np.uint8],
        ended: NDArray[np.bool_],
        first_frames: NDArray[np.uint8],
    ) -> None:
        """Note one step of every environment.

        Args:
            actions: integers [E], below 255.
            rewards: [E].
            terminated: bool [E], True where nothing may be bootstrapped.
            next_frames: uint8 [E, H, W], the newest frame of s'.
            ended: bool [E], the episode is over, terminated or truncated.
            first_frames: uint8 [E, H, W], where ended: the first frame of the next episode.
        """
        everywhere = np.arange(self.num_envs)
        at = (everywhere, self.head)
        self.actions[at] = actions
        self.rewards[at] = rewards
        self.terminated[at] = terminated
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
        drawable = self._drawable()
        bounds = drawable.cumsum()
        if bounds[-1] == 0:
            raise InvalidValueError("the replay must hold a transition before one can be drawn")
        chosen = np.empty(batch_size, dtype=np.int64)
        missing = np.arange(batch_size)
        while len(missing):  # again for the few that hit the end of an episode
            draw = self._rng.integers(bounds[-1], size=len(missing))
            ring = np.searchsorted(bounds, draw, side="right")
            back = 1 + draw - (bounds - drawable)[ring]
            slot = ring * self.slots + (self.head[ring] - back) % self.slots
            chosen[missing] = slot
            missing = missing[self.actions.reshape(-1)[slot] == NO_ACTION]
        return self.gather(chosen)

    def gather(self, index: NDArray[np.int64]) -> Transitions:
        """The transitions in the slots ``index``, each environment * slots + position.

        Args:
            index: integers [N] of slots that hold a transition.

        Returns:
            N transitions; s and s' are views of one buffer of five frames each.
        """
        ring, position = np.divmod(index, self.slots)
        window = (position[:, None] + self._window) % self.slots + (ring * self.slots)[:, None]
        height, width = self.frames.shape[2:]
        flat = self.frames.reshape(-1, height * width)
        pixels = flat.take(window.ravel(), axis=0).reshape(len(index), -1, height, width)
        depth = self.depth.reshape(-1).take(index)
        for row in (depth < self.stack - 1).nonzero()[0]:
            pixels[row, : self.stack - 1 - depth[row]] = 0
        both = torch.from_numpy(pixels)  # [N, 5, H, W]
        return Transitions(
            observations=both[:, :-1],
            actions=torch.from_numpy(self.actions.reshape(-1).take(index).astype(np.int64)),
            rewards=torch.from_numpy(self.rewards.reshape(-1).take(index)),
            next_observations=both[:, 1:],
            terminated=torch.from_numpy(self.terminated.reshape(-1).take(index)),
        )

    def _drawable(self) -> NDArray[np.int64]:
        """Slots of each ring that have a successor and whose whole stack is still there."""
        return np.minimum(self.filled - 1, self.slots - self.stack).clip(min=0)

    def _advance(self, rings: NDArray[np.int64]) -> None:
        self.head[rings] = (self.head[rings] + 1) % self.slots
        self.filled[rings] = np.minimum(self.filled[rings] + 1, self.slots)

    def _put(
        self, rings: NDArray[np.int64], frames: NDArray[np.uint8], depth: NDArray[np.uint8]
    ) -> None:
        at = (rings, self.head[rings])
        self.frames[at] = frames
        self.actions[at] = NO_ACTION
        self.depth[at] = depth


def bytes_needed(capacity: int, frame_shape: tuple[int, int] = (84, 84)) -> int:
    """Bytes that a replay of ``capacity`` transitions takes: the frame, and 7 beside it.

    Returns:
        Bytes.

    >>> bytes_needed(1_000_000) / 1e9  # GB
    7.063
    """
    return capacity * (frame_shape[0] * frame_shape[1] + 7)


def check_fits(capacity: int, frame_shape: tuple[int, int] = (84, 84)) -> int:
    """Return ``capacity`` if a replay of that size fits in the memory at hand.

    Raises:
        InvalidValueError: it does not; the capacity that does is named.
    """
    memory = available_memory()
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
    """Two significant digits, towards zero."""
    unit = 10 ** max(len(str(number)) - 2, 0)
    return number // unit * unit
