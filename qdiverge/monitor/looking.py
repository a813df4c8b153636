"""What is done where something is due: at a batch that is shown, and at the update made with it."""

import math
from collections.abc import Callable
from typing import Any

from qdiverge.monitor.early_look import Sight
from qdiverge.monitor.idle_watch import PATIENCE, IdleWatch
from qdiverge.monitor.measuring import Measurement
from qdiverge.monitor.parts import Parts
from qdiverge.update.auditing.findings import finding


class Looking:
    """Hands batches and updates to the parts of a monitor, in their order.

    Args:
        parts: What looks, measures, keeps and tells.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts, self._progress = parts, parts.progress
        self._idle_watch = IdleWatch(parts.subject.networks)

    def take(self, data: Any, read: Callable[[Any], Any] | None, *, raises: bool) -> None:
        """Hand a training batch to whoever wants it; each of them may end the watching.

        Args:
            data: The batch.
            read: Makes transitions of it.
            raises: Whether to raise where an alarm ends the run.

        Raises:
            DivergenceError: an alarm fired before and ``on_alarm="stop"``.
        """
        parts, now, update = self._parts, self._progress, self._progress.num_updates
        if not now.is_closed:
            parts.target.look_up(update)
            if parts.early.is_due(update):
                self._look_early(data, read)
        if update >= parts.foresight.wake and not now.is_closed:
            last_move, limit = parts.target.last_move, parts.measuring.value_limit.ahead
            parts.ahead.look(data, read, update, now.step, last_move, limit)
        if not now.is_closed:
            parts.keeping.begin(data, read, update + 1)
        parts.alarms.raise_what_is_meant_for_the_loop()
        if raises:
            parts.alarms.raise_if_stopped()
        if not now.is_closed:
            parts.loop_audit.show(data, read, update)
        measuring = parts.measuring
        if not now.is_closed and measuring.wants_batch(update):
            with parts.guard("reading the batch", update), measuring.budget.charge("batch"):
                measuring.read_batch(data if read is None else read(data), update)
        if not now.is_closed:
            for found in parts.subject.take_findings():
                parts.telling.tell(found)
        if not now.is_closed and self._idle_watch.is_idle(update):
            parts.telling.tell(finding("optimizer_never_steps", num_batches=PATIENCE))

    def look(self) -> None:
        """Look at the update that was just made."""
        parts, update = self._parts, self._progress.num_updates
        parts.keeping.finish(update)
        self.glance()
        if update % parts.subject.options.every:
            if parts.early.is_overdue(update):
                self._look_early(parts.measuring.batch, None)
        elif not parts.subject.is_trained:
            parts.telling.tell_once("network_replaced", update=update)
        else:
            if parts.measuring.has_batch:
                self._measure()
            parts.reminder.look(update)

    def glance(self) -> None:
        """See whether the target moved in the update that was just made, due or not."""
        parts, budget = self._parts, self._parts.measuring.budget
        begin = budget.now()
        parts.target.glance(self._progress.num_updates)
        budget.calls += budget.now() - begin

    def look_last(self) -> None:
        """Measure once more, at the end of the run, and say what never came."""
        parts, update = self._parts, self._progress.num_updates
        parts.target.look_up(update)
        with parts.guard("watching the target", update):
            parts.target.look_last(update)
        if parts.measuring.has_batch and update and parts.subject.is_trained:
            parts.measuring.keep_arrays(update)
            self._measure(is_last=True)
        parts.reminder.remind(update)

    def _look_early(self, data: Any, read: Callable[[Any], Any] | None) -> None:
        """Look at the values on a batch, and measure where they are beyond their limit."""
        parts, update = self._parts, self._progress.num_updates
        if (sight := parts.early.sees_beyond(update, data, read)) == Sight.WITHIN:
            with parts.guard("running ahead", update):
                parts.foresight.look_at(parts.early.size, parts.early.limit, update)
            return
        with parts.guard("reading the batch", update):
            parts.measuring.keep_newest(data if read is None else read(data))
        self._measure(is_urgent=sight == Sight.FAR_BEYOND)

    def _measure(self, *, is_last: bool = False, is_urgent: bool = False) -> None:
        """Measure what there is time for, log it, and raise what the alarm rules say of it."""
        parts, now = self._parts, self._progress
        with parts.guard("measuring", now.num_updates):
            how = {"is_last": is_last, "is_urgent": is_urgent}
            measured = parts.measuring.measure(now.num_updates, now.step, **how)
            if measured is not None:
                self._judge(measured, is_last=is_last)

    def _judge(self, measured: Measurement, *, is_last: bool) -> None:
        parts, measuring = self._parts, self._parts.measuring
        size = measured.metrics.get("diverge/q_abs_max", math.nan)
        limit = measured.metrics.get("diverge/divergence_limit", math.inf)
        parts.foresight.look_at(size, limit, measured.update)
        with measuring.budget.charge("log"):
            parts.keeping.want()
            measuring.log(measured, is_last=is_last)
            if not (alarms := parts.alarms.check(measured)):
                return
            measuring.keep_arrays(measured.update)
            for alarm in alarms:
                parts.alarms.raise_alarm(alarm)
                parts.foresight.look_soon(measured.update)
                if alarm.is_alarm:
                    parts.early.end()  # what it would look for is told
            measuring.log_for_alarm(measured)
