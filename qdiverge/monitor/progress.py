"""How far a run is: its updates, its own step, and the batches of the update under way."""

import warnings
from collections.abc import Callable

from qdiverge.errors import InvalidValueError


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
        self._clock, self._has_warned = clock, False

    @property
    def step(self) -> int:
        """Return the present step in the run's own unit: agent steps with a clock, else updates."""
        if self._clock is None:
            return self.num_updates
        try:
            step = int(now := self._clock())
            if step != now:
                raise InvalidValueError("a clock must tell a whole number of steps", got=now)
            return step
        except Exception as error:  # whatever it is, it must not end somebody's training run
            if not self._has_warned:
                self._has_warned = True
                warnings.warn(
                    f"qdiverge: clock failed at update {self.num_updates} "
                    f"({type(error).__name__}: {error}); where it does, updates are counted.",
                    stacklevel=3,
                )
            return self.num_updates
