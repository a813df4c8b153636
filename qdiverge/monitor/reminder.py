"""What a loop has forgotten: to show its batches, or to pass the optimiser that it calls."""

import warnings
from contextlib import suppress

from qdiverge.runs import AlarmEvent

PATIENCE = 10  # measurements that fall due without a batch or an update before it is said


class Reminder:
    """A count of batches, and a warning, once, where these or updates do not come in.

    Args:
        every: Updates between measurements.

    Attributes:
        patience: Batches or updates after which it is time to say so.
        num_batches: Batches shown.
    """

    def __init__(self, every: int) -> None:
        self.patience = PATIENCE * every
        self.num_batches = 0
        self._has_reminded = False

    def remind(self, num_updates: int) -> None:
        """Warn where only one of the two came in; the first time alone."""
        if self._has_reminded:
            return
        self._has_reminded = True
        if num_updates == 0:
            text = (
                f"{self.num_batches} batches but no update; pass the optimizer whose step() "
                "the loop calls."
            )
        elif self.num_batches == 0:
            text = (
                f"{num_updates} updates but no batch; pass each one through it: "
                "data = monitor.batch(data)."
            )
        else:
            return
        warnings.warn(f"qdiverge has seen {text}", stacklevel=5)


def speak(event: AlarmEvent) -> None:
    """Warn of what an audit found, in a sentence; never an error, whatever warnings are made of."""
    with suppress(Warning):
        warnings.warn(
            f"qdiverge, at update {event.update}: {event.message} ({event.rule})", stacklevel=2
        )
