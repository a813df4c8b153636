"""Whether the run's own order of batches is known: the next one is told beforehand, and comes.

A function that draws as the run does, by the same generators, says what the run will learn from, as
long as its data stay and nothing else draws in between. So it is asked, and held to its word.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from qdiverge.generators import Generator, same_generators
from qdiverge.monitor.shown_batch import Shown, copy_of
from qdiverge.rehearsal.own_values import OwnValues
from qdiverge.rehearsal.reached import reached


class OwnOrder:
    """Asks a function for the batch after the one shown, and sees whether that comes.

    Args:
        draw: Returns a batch.
        generators: By which it draws beside the global ones and those that it reaches.
        device: Of the run.

    Attributes:
        is_seen: Whether the last one that was told came, to the bit, at the update after.

    >>> torch.manual_seed(0) and None
    >>> s = torch.zeros(4, 1)
    >>> def draw():
    ...     a = torch.randint(2, (4,))
    ...     return {"observations": s, "actions": a, "rewards": s[:, 0], "next_observations": s,
    ...             "terminated": s[:, 0]}
    >>> order = OwnOrder(draw, [], torch.device("cpu"))
    >>> order.foretell(0)
    >>> order.compare(copy_of(draw()), 1)
    >>> order.is_seen
    True
    """

    def __init__(
        self, draw: Callable[[], Any], generators: Sequence[Generator], device: torch.device
    ) -> None:
        self._draw, self._device, self._reached = draw, device, reached(draw)
        self._generators = [*generators, *self._reached.generators]
        self._told: Shown | None = None
        self._at = -1
        self.is_seen = False

    def foretell(self, update: int, train: Callable[[], object] = lambda: None) -> None:
        """Tell the batch after the one that was shown at an update.

        Args:
            update: Its number.
            train: Makes it, of a copy, where that draws as well.
        """
        with same_generators(self._device, self._generators), OwnValues(self._reached):
            train()
            self._told, self._at = copy_of(self._draw()), update + 1

    def compare(self, shown: Shown, update: int) -> None:
        """Hold the batch that came to what was told."""
        told, self._told = self._told, None
        self.is_seen = (
            told is not None
            and update == self._at
            and told.keys() == shown.keys()
            and all(torch.equal(told[name], shown[name]) for name in told)
        )
