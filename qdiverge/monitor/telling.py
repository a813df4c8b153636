"""Tell what is wrong with the loop, whoever of the monitor has found it."""

from typing import Any

from qdiverge.monitor.alarms import Alarms
from qdiverge.monitor.foresight.foresight import Foresight
from qdiverge.monitor.progress import Progress
from qdiverge.update import Finding
from qdiverge.update.auditing.findings import finding


class Telling:
    """Makes an alarm of a finding; copies look at what that does.

    Args:
        alarms: Where it is raised.
        foresight: What runs ahead.
        progress: How far the run is.
    """

    def __init__(self, alarms: Alarms, foresight: Foresight, progress: Progress) -> None:
        self._alarms, self._foresight, self._progress = alarms, foresight, progress

    def tell(self, found: Finding) -> None:
        """Say what is wrong with the loop."""
        now = self._progress
        self._alarms.tell(found, now.step, now.num_updates)
        self._foresight.look_soon(now.num_updates)

    def tell_once(self, code: str, **evidence: Any) -> None:
        """Say what is wrong with the loop, unless it was said.

        Args:
            code: Of the finding.
            evidence: Its numbers.
        """
        if all(alarm.rule != code for alarm in self._alarms.events):
            self.tell(finding(code, **evidence))
