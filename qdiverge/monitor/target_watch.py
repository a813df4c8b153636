"""See the target network move, whoever moves it: a fingerprint of a few of its numbers."""

from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NUM_ENTRIES = 8  # of each tensor that is looked at
NUM_TENSORS = 2  # the last ones: an output layer, whose every update moves them
CONTINUOUS_AFTER = 8  # changes in a row
CONTINUOUS_SPACING = 4  # updates between two of them; TD3 moves its targets at every other one
BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of an entry


class TargetWatch:
    """A fingerprint of the target's parameters, compared from one look to the next.

    ``.data.copy_`` leaves no trace in a tensor's version counter, so the bits of a few numbers are
    read: about a microsecond a look on a CPU. On a GPU a look waits for the device, so it is for
    measured updates alone.

    Args:
        target: The target network.
        period: Updates between two looks.

    >>> target = nn.Linear(1, 1)
    >>> watch = TargetWatch(target, period=1)
    >>> watch.has_moved(1)
    False
    >>> target.weight.data.add_(1.0) is not None, watch.has_moved(2), watch.has_moved(3)
    (True, True, False)
    """

    def __init__(self, target: nn.Module, period: int) -> None:
        usable = [p for p in target.parameters() if p.numel() and p.is_contiguous()]
        self._parameters = [p for p in usable if p.element_size() in BITS][-NUM_TENSORS:]
        self._spacing = max(CONTINUOUS_SPACING, period)
        self._changes: deque[int] = deque(maxlen=CONTINUOUS_AFTER)
        self._pointers: list[int] = []
        self._entries: list[NDArray[np.integer[Any]] | Tensor] = []
        self._before = self._read()

    @property
    def is_continuous(self) -> bool:
        """Return whether the target follows at nearly every update, as by Polyak averaging."""
        span = self._changes[-1] - self._changes[0] if self._changes else 0
        is_full = len(self._changes) == CONTINUOUS_AFTER
        return is_full and span <= (CONTINUOUS_AFTER - 1) * self._spacing

    def state(self) -> dict[str, Any]:
        """Return what it saw last, perhaps before the newest copy, and when the target moved."""
        return {"before": self._before.hex(), "changes": list(self._changes)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned; older checkpoints hold numbers, which are left."""
        if isinstance(before := state["before"], str):
            self._before = bytes.fromhex(before)
        self._changes.extend(state["changes"])

    def has_moved(self, update: int) -> bool:
        """Return whether the target differs from the last look."""
        now = self._read()
        if now == self._before:
            return False
        self._before = now
        self._changes.append(update)
        return True

    def _read(self) -> bytes:
        pointers = [p.data_ptr() for p in self._parameters]
        if pointers != self._pointers:  # a parameter's storage was exchanged
            self._pointers = pointers
            self._entries = [_spread(p) for p in self._parameters]
        return b"".join([_bits(entries) for entries in self._entries])


def _spread(parameter: Tensor) -> NDArray[np.integer[Any]] | Tensor:
    """Return a view of the bits of a few entries, spread over the whole tensor."""
    flat = parameter.detach().view(-1).view(BITS[parameter.element_size()])
    entries = flat[:: max(1, flat.numel() // NUM_ENTRIES)][:NUM_ENTRIES]
    return entries.numpy() if entries.device.type == "cpu" else entries


def _bits(entries: NDArray[np.integer[Any]] | Tensor) -> bytes:
    return (entries.cpu().numpy() if isinstance(entries, Tensor) else entries).tobytes()
