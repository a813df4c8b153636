"""What a loop has forgotten: to show its batches, or to pass the optimiser that it calls."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from qdiverge.runs import AlarmEvent
from qdiverge.update import Finding
from qdiverge.update.auditing.findings import finding

PATIENCE = 10  # measurements that fall due without a batch or an update before it is said
STANDSTILL = 1_000  # batches, or updates, without the other once both have come


class Reminder:
    """A count of batches; it is said, once, where these or updates do not come in.

    Args:
        every: Updates between measurements.
        tell: Says it.

    Attributes:
        num_batches: Batches shown.

    >>> reminder = Reminder(1, print)
    >>> for _ in range(12): reminder.show(0)
    batches_without_updates: 10 batches came since update 0 and the watched optimiser made no ...
    """

    def __init__(self, every: int, tell: Callable[[Finding], None]) -> None:
        self._every, self._tell = every, tell
        self.num_batches = 0
        self._at, self._num_here = 0, 0  # the update of the last batch, and batches at it
        self._said: set[str] = set()

    def state(self) -> dict[str, Any]:
        """Return all that it knows."""
        counts = {"num_batches": self.num_batches, "at": self._at, "num_here": self._num_here}
        return counts | {"said": sorted(self._said)}

    def restore(self, state: dict[str, Any]) -> None:
        """Know again what ``state`` returned."""
        self.num_batches, self._at = state["num_batches"], state["at"]
        self._num_here, self._said = state["num_here"], set(state["said"])

    def show(self, update: int) -> None:
        """Take note of a batch.

        Args:
            update: Updates made before.
        """
        self.num_batches += 1
        self._at, self._num_here = update, self._num_here + 1 if update == self._at else 1
        if self._num_here == (STANDSTILL if update else PATIENCE * self._every):
            self._say_batches()

    def look(self, update: int) -> None:
        """See whether batches come; to be called at updates now and then.

        Args:
            update: Updates made.
        """
        patience = PATIENCE * self._every
        if self.num_batches:
            patience = max(patience, STANDSTILL)
        if update - self._at >= patience:
            self._say_updates(update - self._at)

    def remind(self, update: int) -> None:
        """Say at the end which of the two never came, if both were to have come by now."""
        if update == 0 and self.num_batches >= self._every:
            self._say_batches()
        elif update and self.num_batches == 0:
            self._say_updates(update)

    def _say_batches(self) -> None:
        self._say("batches_without_updates", num_batches=self._num_here, update=self._at)

    def _say_updates(self, num_updates: int) -> None:
        self._say("updates_without_batches", num_updates=num_updates)

    def _say(self, code: str, **evidence: int) -> None:
        if code not in self._said:
            self._said.add(code)
            self._tell(finding(code, **evidence))


def speak(event: AlarmEvent) -> None:
    """Warn of what an audit found, in a sentence; never an error, whatever warnings are made of."""
    with suppress(Warning):
        warnings.warn(
            f"qdiverge, at update {event.update}: {event.message} ({event.rule})", stacklevel=2
        )
