"""When updates are kept: after each measurement that leaves time for it, and at an alarm."""

from collections.abc import Callable
from typing import Any

from qdiverge.monitor.budget import Budget
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.snapshots.recorder import SnapshotRecorder
from qdiverge.runs import AlarmEvent

WHAT = "keeping an update"


class Keeping:
    """A recorder, guarded and billed; nothing without one.

    Args:
        recorder: Keeps updates; None: nobody does.
        guard: Of errors.
        budget: The time that it may take.
    """

    def __init__(self, recorder: SnapshotRecorder | None, guard: Guard, budget: Budget) -> None:
        self._recorder, self._guard, self._budget = recorder, guard, budget
        self._keeps_more = recorder is not None  # than what is asked for

    @property
    def is_waiting(self) -> bool:
        """Return whether the next batch or step is to be copied."""
        recorder = self._recorder
        return recorder is not None and (recorder.wants_batch or recorder.is_recording)

    def want(self) -> None:
        """Keep the next update whose batch is shown, if there is time."""
        if self._recorder is not None and self._keeps_more and self._budget.allows("keep"):
            self._recorder.want()

    def ask(self, event: AlarmEvent, make: Callable[[], SnapshotRecorder]) -> None:
        """Have the next update written, whatever else is kept.

        Args:
            event: Why.
            make: A recorder, where there is none.
        """
        self._recorder = self._recorder or make()
        self._recorder.alarm(event, is_too_late=False)

    def begin(self, data: Any, read: Callable[[Any], Any] | None, update: int) -> None:
        """Copy what an update with this batch starts from, where it is wanted."""
        if self._recorder is not None and self._recorder.wants_batch:
            with self._guard(WHAT, update - 1), self._budget.charge("keep"):
                self._recorder.begin(data if read is None else read(data), update)

    def finish(self, update: int) -> None:
        """Copy where the update led, where it is being kept."""
        if self._recorder is not None and self._recorder.is_recording:
            with self._guard(WHAT, update), self._budget.charge("keep"):
                self._recorder.finish()

    def alarm(self, alarm: AlarmEvent) -> None:
        """Have the update of an alarm written."""
        if self._recorder is not None and self._keeps_more:
            with self._guard(WHAT, alarm.update):
                self._recorder.alarm(alarm, is_too_late=alarm.rule == "not_finite")

    def close(self, update: int) -> None:
        """Write what an alarm still waits for, and let everything go."""
        if self._recorder is not None:
            with self._guard(WHAT, update):
                self._recorder.close()
