"""How far a run is: its updates, its own step, and the batches of the update under way."""

from collections.abc import Callable


class Progress:
    """Counts of one run, plain numbers that its hooks and batches move on.

    Args:
        clock: Returns the run's step; None: updates are counted.

    Attributes:
        num_updates: Optimiser updates seen.
        num_shown: Batches shown since the last of them.
        is_closed: Whether the run is watched no more.

    >>> by_updates, by_clock = Progress(), Progress(lambda: 400)
    >>> by_updates.num_updates = by_clock.num_updates = 100
    >>> by_updates.step, by_clock.step
    (100, 400)
    """

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        self.num_updates = self.num_shown = 0
        self.is_closed = False
        self._clock = clock

    @property
    def step(self) -> int:
        """Return the present step in the run's own unit: agent steps with a clock, else updates."""
        return self.num_updates if self._clock is None else int(self._clock())
