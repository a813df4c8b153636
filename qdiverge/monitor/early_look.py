"""max|Q| between two measurements: at every update at first, then at growing distances.

Values that blow up do so within few updates as a rule: looked at every 25 updates, most have gone
from sound to beyond all bounds unseen.
"""

import math

from qdiverge.diagnostics.quiet import largest_value, needs_quiet
from qdiverge.kernel.network import has_compiled_parts
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.measuring import Measuring
from qdiverge.monitor.subject import Subject

EVERY_UPDATE_UNTIL = 300
THEN = 60  # a 60th of the updates made lies between two looks
NEVER = -1
ON_GPU = 5  # updates between two looks at least, since each waits for the device


class EarlyLook:
    """When to look, and whether the values are where no policy can bring them.

    Args:
        subject: The run.
        measuring: Holds the transitions to look at, and the rewards seen.
        guard: Of errors.

    Attributes:
        due: The update after which to look.
    """

    def __init__(self, subject: Subject, measuring: Measuring, guard: Guard) -> None:
        self._networks, self._every = subject.networks, subject.options.every
        self._measuring, self._guard = measuring, guard
        self._is_quiet = any(
            needs_quiet(network) or has_compiled_parts(network) for network in subject.networks
        )
        self._least = ON_GPU if subject.device.type == "cuda" else 1
        self.due = self._least

    @property
    def next_look(self) -> float:
        """Return the update after which to look next."""
        return math.inf if self.due == NEVER else self.due

    def sees_beyond(self, update: int) -> bool:
        """Return whether max|Q| is beyond its limit, or not finite, and a measurement is due.

        Args:
            update: Optimiser updates made.
        """
        if update != self.due or not self._measuring.has_batch:
            return False
        is_beyond = False
        guarded = self._guard("looking at the values", update, self.end)
        with guarded, self._measuring.budget.charge("look"):
            batch = self._measuring.batch
            size = largest_value(self._networks, batch.observations, batch.actions, self._is_quiet)
            is_beyond = not size <= self._measuring.limit
            self.due = next_look(update, self._every, self._least)
        return is_beyond

    def end(self) -> None:
        """Look no more."""
        self.due = NEVER


def next_look(update: int, every: int, least: int = 1) -> int:
    """Return the update after which to look again; where measurements are as frequent, none.

    >>> [next_look(n, 25) for n in (1, 299, 600, 1_499, 1_500)]
    [2, 301, 610, 1523, -1]
    """
    distance = max(least, 1 if update < EVERY_UPDATE_UNTIL else update // THEN)
    if distance >= every:
        return NEVER
    due = update + distance
    return due if due % every else due + 1
