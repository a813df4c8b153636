"""max|Q| between two measurements: at first as often as a blow-up asks for, then ever more seldom.

Values that blow up do so within few updates as a rule: looked at every 25 updates, most have gone
from sound to beyond all bounds unseen. So in a young run the next look comes before doublings at
each update could bring them beyond their limit; near it, at every update.

They blow up in few states, which a probe batch need not have: what is looked at is the batch that
is about to be learnt from, another one each time, as it is shown and without a copy. Of a loop that
shows none it is the probe.

Later a look comes between any two measurements, which the time that a run may take for them often
leaves out: one forward pass costs a tenth of the cheapest of them.
"""

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

from torch import Tensor

from qdiverge.diagnostics.quiet import largest_value
from qdiverge.monitor.bare_calls import BareCalls
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.measuring import Measuring
from qdiverge.monitor.subject import Subject

YOUNG = 300  # updates
MOST_DOUBLINGS = 8  # and so updates between two looks of a young run at most
THEN = 60  # a 60th of the updates made lies between two looks, and at most
NEVER = -1
ON_GPU = 5  # updates between two looks at least, since each waits for the device
NUM_ROWS = 64  # of a batch that are looked at, evenly spread, and more of a small one
NUM_NUMBERS = 1 << 18  # in the observations that are looked at; but FEW_ROWS at least
FEW_ROWS = 8


class Sight(Enum):
    """How values stand: within their limit, beyond it, beyond what any TD error would excuse."""

    WITHIN = 0
    BEYOND = 1
    FAR_BEYOND = 2


class EarlyLook:
    """When to look, and whether the values are where no policy can bring them.

    Args:
        subject: The run.
        measuring: Holds the batch to look at, and the rewards seen.
        guard: Of errors.

    Attributes:
        due: The update after which to look, at the next batch.
        size: max|Q| at the last look.
        limit: What it was held against.
    """

    def __init__(self, subject: Subject, measuring: Measuring, guard: Guard) -> None:
        self._subject, self._networks = subject, subject.networks
        self._every = subject.options.every
        self._measuring, self._guard = measuring, guard
        self._bare = BareCalls(subject.networks)
        self.size, self.limit = 0.0, math.inf
        self._least = ON_GPU if subject.device.type == "cuda" else 1
        self.due = self._least

    @property
    def next_look(self) -> float:
        """Return the update after which to look next, at the batch that is shown then."""
        return math.inf if self.due == NEVER else self.due

    def is_due(self, update: int) -> bool:
        """Return whether to look at a batch that is shown after so many updates."""
        return update >= self.next_look and self._measuring.has_batch

    def is_overdue(self, update: int) -> bool:
        """Return whether to look without one: none was shown before this update."""
        return update > self.next_look and self._measuring.has_batch

    def sees_beyond(self, update: int, data: Any, read: Callable[[Any], Any] | None) -> Sight:
        """Return whether max|Q| is beyond its limit, or not finite, and a measurement is due.

        Args:
            update: Optimiser updates made.
            data: The batch to look at.
            read: Makes transitions of it.
        """
        measuring, sight = self._measuring, Sight.WITHIN
        guarded = self._guard("looking at the values", update, self.end)
        with guarded, measuring.budget.charge("look"):
            s, a = thinned(*self._subject.read_pairs(data if read is None else read(data)))
            is_quiet = not self._bare.are_fine(*((s, a) if a.is_floating_point() else (s,)))
            size = self.size = largest_value(self._networks, s, a, is_quiet)
            value_limit, latest = measuring.value_limit, measuring.latest
            limit = self.limit = value_limit.at(latest)
            if not size <= limit:
                sight = Sight.BEYOND if size <= value_limit.largest(latest) else Sight.FAR_BEYOND
            apart = measuring.budget.looks_apart(update)
            wanted = doublings(size, limit) if update < YOUNG else 1
            self.due = next_look(update, self._every, max(wanted, self._least), apart)
        return sight

    def end(self) -> None:
        """Look no more."""
        self.due = NEVER


def thinned(observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Return every k-th row, ``NUM_ROWS`` or somewhat more of them; of images fewer.

    >>> import torch
    >>> s, a = thinned(torch.zeros(256, 3), torch.zeros(256))
    >>> len(s), len(a), len(thinned(torch.zeros(32, 4, 84, 84), torch.zeros(32))[0])
    (64, 64, 11)
    """
    each = observations[:1].numel()
    rows = min(NUM_ROWS, max(FEW_ROWS, NUM_NUMBERS // max(1, each)))
    step = max(1, len(observations) // rows)
    return observations[::step], actions[::step]


def doublings(size: float, limit: float) -> int:
    """Return how often a size can double within its limit, 1 to ``MOST_DOUBLINGS``.

    >>> [doublings(size, 100.0) for size in (0.0, 1.0, 24.0, 60.0, 1e9, math.nan)]
    [8, 6, 2, 1, 1, 1]
    """
    if not 0 <= size < limit:
        return 1
    room = limit / size if size > 0 else math.inf
    return max(1, math.floor(math.log2(min(room, 2.0**MOST_DOUBLINGS))))


def next_look(update: int, every: int, least: int = 1, apart: float = 0.0) -> int:
    """Return the update after which to look again, never one that is measured anyway.

    Args:
        update: Updates made.
        every: Updates between two measurements, and between two looks of a run that is no more
            young, unless these take too long.
        least: Updates between two looks at least.
        apart: Updates that must lie between them for looks to keep to their part of the time, once
            the run is no more young.

    >>> [next_look(n, 25) for n in (1, 299, 600, 1_499, 1_523)]
    [2, 301, 610, 1523, 1548]
    >>> [next_look(n, 25, apart=200) for n in (1, 600, 60_001)]
    [2, 801, 60201]
    """
    due = update + least
    if update >= YOUNG:
        due = update + max(least, min(update // THEN, every), math.ceil(apart))
    return due if due % every else due + 1
