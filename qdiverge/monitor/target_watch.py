"""See the target network move, whoever moves it: a fingerprint of a few of its numbers."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qdiverge.monitor.target_rule import TargetRule

NUM_ENTRIES = 8  # of each tensor that is looked at
NUM_TENSORS = 2  # the last ones: an output layer, whose every update moves them
CONTINUOUS_AFTER = 8  # changes in a row
CONTINUOUS_SPACING = 4  # updates between two of them; TD3 moves its targets at every other one
SURPRISE = 16  # updates between two looks, where a period is known, for a move out of turn
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of an entry
FLOATS = {torch.float16: "float16", torch.float32: "float32", torch.float64: "float64"}


class TargetWatch:
    """A fingerprint of the target's parameters, compared from one update to the next.

    ``.data.copy_`` leaves no trace in a tensor's version counter, so the bits of a few numbers are
    read: about two microseconds a look on a CPU. On a GPU a look waits for the device; there the
    numbers are put aside on it at every update, and looked at together, every ``period`` updates.

    Args:
        target: The target network.
        period: Updates between two looks; 1 on a CPU.
        online: The network that learns, of the same shapes; None: how the target follows it is not
            asked.

    Attributes:
        rule: How the target follows, as far as it was seen.
        last_move: The update at which it was last seen to have moved; 0: it has not.
        next_look: The update from which to look again: the next, or where copies have a period
            one around which a copy is expected.
        is_learning: Whether the network that learns has moved since.

    >>> target = nn.Linear(1, 1)
    >>> watch = TargetWatch(target, period=1)
    >>> watch.moves(1)
    []
    >>> target.weight.data.add_(1.0) is not None, watch.moves(2), watch.moves(3)
    (True, [2], [])
    """

    def __init__(self, target: nn.Module, period: int, online: nn.Module | None = None) -> None:
        slow = list(target.parameters())
        usable = [i for i, p in enumerate(slow) if _is_usable(p)][-NUM_TENSORS:]
        usable = [i for i in usable if slow[i].dtype == slow[usable[-1]].dtype]
        fast = [] if online is None else list(online.parameters())
        if len(fast) != len(slow) or any(fast[i].dtype != slow[i].dtype for i in usable):
            fast = []
        self._slow, self._fast = [slow[i] for i in usable], [fast[i] for i in usable if fast]
        self._usable = usable
        self._spacing, self._period = max(CONTINUOUS_SPACING, period), period
        self._changes: deque[int] = deque(maxlen=CONTINUOUS_AFTER)
        self._pointers: list[int] = []
        self._views: list[NDArray[np.integer[Any]] | Tensor] = []
        self._is_plain = False  # whether all of them are arrays, which ``stands_still`` needs
        self._places: list[tuple[Tensor, int]] = []
        self._slow_views: list[NDArray[np.integer[Any]]] = []
        self._fast_views: list[NDArray[np.integer[Any]]] = []
        self._kept: list[tuple[int, Tensor]] = []  # on a GPU, until the next look
        self.rule = TargetRule()
        self.last_move, self.is_learning, self.next_look = 0, False, 0
        self._before = self._look(self._read())

    @property
    def is_continuous(self) -> bool:
        """Return whether the target follows at nearly every update, as by Polyak averaging."""
        span = self._changes[-1] - self._changes[0] if self._changes else 0
        is_full = len(self._changes) == CONTINUOUS_AFTER
        return is_full and span <= (CONTINUOUS_AFTER - 1) * self._spacing

    def state(self) -> dict[str, Any]:
        """Return what it saw last, perhaps before the newest copy, and when the target moved."""
        return {
            "before": self._before[0].hex(),
            "online": self._before[1].hex(),
            "changes": list(self._changes),
            "last_move": self.last_move,
            "is_learning": self.is_learning,
            "rule": self.rule.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned; older checkpoints hold less, which is left."""
        if isinstance(before := state["before"], str):
            online = state.get("online")
            self._before = (
                bytes.fromhex(before),
                self._before[1] if online is None else bytes.fromhex(online),
            )
        self._changes.extend(state["changes"])
        self.last_move = state.get("last_move", max(state["changes"], default=0))
        self.is_learning = state.get("is_learning", False)
        if "rule" in state:
            self.rule.restore(state["rule"])

    def follow(self, target: nn.Module) -> None:
        """Look at another object from now on, the target's new one: a move as any other."""
        slow = list(target.parameters())
        self._slow = [slow[i] for i in self._usable]
        self._pointers, self._is_plain = [], False  # to be read anew

    def moves(self, update: int) -> list[int]:
        """Return the updates since the last look before which the target moved.

        Args:
            update: Updates made; to be called at each from ``next_look`` on.
        """
        views = self._read()
        if self._period > 1:
            self._kept.append((update, torch.cat([torch.as_tensor(view) for view in views])))
            if update % self._period:
                return []
            fingerprints, self._kept = self._kept, []
            rows = torch.stack([row for _, row in fingerprints]).cpu().numpy()
            looks = [(n, self._halves(row)) for (n, _), row in zip(fingerprints, rows, strict=True)]
        else:
            looks = [(update, self._look(views))]
        moves = [n for n, now in looks if self._has_moved(n, now)]
        self.next_look = self._after(update)
        return moves

    def stands_still(self) -> bool:
        """Return whether the target is as at the last look, and note where the other network is.

        The short way of ``moves`` for most updates, until copies have a period: in one function,
        since between two updates of a run a processor forgets each other one that is called.
        """
        if self._period > 1 or self.rule.period is not None or not self._is_plain:
            return False
        for p, pointer in self._places:
            if p.data_ptr() != pointer:
                return False
        target, online = self._before
        if b"".join([view.tobytes() for view in self._slow_views]) != target:
            return False
        if (now := b"".join([view.tobytes() for view in self._fast_views])) != online:
            self.is_learning, self._before = True, (target, now)
        return True

    def _after(self, update: int) -> int:
        """Return when to look next: around a copy the update before it and its own are needed."""
        period = self.rule.period
        if period is None or self._period > 1:
            return update + 1
        left = period - 1 - (update - self.last_move) % period
        return update + min(left, SURPRISE) if left else update + 1

    def _has_moved(self, update: int, now: tuple[bytes, bytes]) -> bool:
        """Compare a look with the last one: what the target became of what it was, and of θ."""
        (before, online), self._before = self._before, now
        self.is_learning |= online != now[1]
        if now[0] == before:
            return False
        self._changes.append(update)
        self.last_move, self.is_learning = update, False
        if (dtype := FLOATS.get(self._slow[0].dtype)) is not None and online:
            old, new, fast = (
                np.frombuffer(bits, dtype).astype(np.float64) for bits in (before, now[0], online)
            )
            self.rule.move(update, old, new, fast, eps=float(np.finfo(dtype).eps))
        return True

    def _read(self) -> list[NDArray[np.integer[Any]] | Tensor]:
        parameters = self._slow + self._fast
        pointers = [p.data_ptr() for p in parameters]
        if pointers != self._pointers:  # a parameter's storage was exchanged
            self._pointers = pointers
            self._views = [_spread(p) for p in parameters]
            self._places = list(zip(parameters, pointers, strict=True))
            arrays = [view for view in self._views if isinstance(view, np.ndarray)]
            num, self._is_plain = len(self._slow), len(arrays) == len(self._views)
            self._slow_views, self._fast_views = arrays[:num], arrays[num:]
        return self._views

    def _look(self, views: Sequence[NDArray[np.integer[Any]] | Tensor]) -> tuple[bytes, bytes]:
        """Return the bits of the target and of the network that learns."""
        bits = [_bits(view) for view in views]
        num = len(self._slow)
        return b"".join(bits[:num]), b"".join(bits[num:])

    def _halves(self, row: NDArray[np.integer[Any]]) -> tuple[bytes, bytes]:
        bits = row.tobytes()
        size = len(bits) // 2 if self._fast else len(bits)
        return bits[:size], bits[size:]


def _is_usable(parameter: Tensor) -> bool:
    is_there = bool(parameter.numel()) and parameter.is_contiguous()
    return is_there and parameter.element_size() in BITS


def _spread(parameter: Tensor) -> NDArray[np.integer[Any]] | Tensor:
    """Return a view of the bits of a few entries, spread over the whole tensor."""
    flat = parameter.detach().view(-1).view(BITS[parameter.element_size()])
    entries = flat[:: max(1, flat.numel() // NUM_ENTRIES)][:NUM_ENTRIES]
    return entries.numpy() if entries.device.type == "cpu" else entries


def _bits(entries: NDArray[np.integer[Any]] | Tensor) -> bytes:
    return (entries.cpu().numpy() if isinstance(entries, Tensor) else entries).tobytes()
