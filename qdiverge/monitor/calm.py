"""When anything is due: up to then a batch and a step are let by with a comparison or two."""

from collections.abc import Callable
from typing import Any

from qdiverge.monitor.parts import Parts


class Calm:
    """The updates up to which nothing is due, by what each part of the monitor says.

    Only an update of one batch is calm: the others tell audits how the loop goes round.

    Args:
        parts: What may have something to do.

    Attributes:
        until: The last update at which nothing is due.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._progress = parts, parts.progress
        self._reminder, self._value_limit = parts.reminder, parts.measuring.value_limit
        self.until: float = 0

    def lets_by(self, data: Any, read: Callable[[Any], Any] | None) -> bool:
        """Take note of a batch and its rewards; return whether no more is due at its update.

        Args:
            data: The batch.
            read: Makes transitions of it.
        """
        now = self._progress
        now.num_shown += 1
        if not now.is_closed:
            self._reminder.show(now.num_updates)
            self._value_limit.note_rewards(data, read, now.num_updates)
        return now.num_shown == 1 and now.num_updates < self.until

    def begin(self) -> None:
        """See until when nothing is due, once all that was due at this update is done."""
        self.until = self.next_due() - 1

    def end(self) -> None:
        """Look at the next update, whatever was due before."""
        self.until = 0

    def next_due(self) -> float:
        """Return the next update at which anything is to be done."""
        parts, n = self._parts, self._progress.num_updates
        every = parts.subject.options.every
        if parts.keeping.is_waiting or parts.alarms.is_waiting or parts.measuring.wants_batch(n):
            return n + 1
        return min(
            n - n % every + every,
            parts.early.next_look + 1,
            parts.measuring.next_probed + 1,
            parts.loop_audit.next_look(n),
            parts.foresight.wake + 1,
        )
