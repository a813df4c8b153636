"""The monitor: diagnostics on an optimiser's hook, which see the run and change nothing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from torch.utils.hooks import RemovableHandle
from typing_extensions import Self

from qdiverge.diagnostics import Diagnostic, Moment
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.attach_checks import mark_watched, unmark_watched
from qdiverge.monitor.calm import Calm
from qdiverge.monitor.looking import Looking
from qdiverge.monitor.measuring import LOG_DENSITY
from qdiverge.monitor.parts import put_together
from qdiverge.monitor.snapshots import SnapshotRecorder
from qdiverge.monitor.state_check import check_state
from qdiverge.monitor.status_line import verdict_of
from qdiverge.monitor.step_hooks import StepHooks
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.untraced import untraced
from qdiverge.runs import AlarmEvent, RunLog
from qdiverge.runs.forked import forget_in_children
from qdiverge.runs.log import LogMark
from qdiverge.update import UpdateRule

Data = TypeVar("Data")


class Monitor:
    """The diagnostics attached to one run; made by :func:`qdiverge.attach`.

    It hooks ``optimizer.step``: the gradient, the update and the random states stay as they are. An
    error while measuring becomes a warning, never the end of the training run.

    Args:
        subject: The run.
        log: Where it writes.
        owns_log: Whether to close the log at the end.
        clock: Returns the run's step; None: updates are counted.
        diagnostics: What to measure; None: every one up to the tier of the options.
        log_density: Measurements that are logged while the run grows e-fold.

    Attributes:
        options: What was asked for.
        subject: The run.
        budget: The time that it may take.
        loop_audit: What audits of the run's own updates have said.
        foresight: What copies that ran ahead have said.
        before_step: What the hook before a step calls.
        after_step: What the hook after a step calls.
    """

    def __init__(
        self,
        subject: Subject,
        log: RunLog,
        *,
        owns_log: bool = True,
        clock: Callable[[], int] | None = None,
        diagnostics: Sequence[Diagnostic] | None = None,
        log_density: int = LOG_DENSITY,
    ) -> None:
        self.options, self.subject = subject.options, subject
        parts = put_together(subject, log, clock, diagnostics, log_density)
        self.budget = parts.measuring.budget
        self.loop_audit, self.foresight = parts.loop_audit, parts.foresight
        self._parts, self._progress, self._owns_log = parts, parts.progress, owns_log
        self._calm, self._looking = Calm(parts), Looking(parts)
        self._hooks = StepHooks(parts, self._calm, self._looking)
        self.before_step, self.after_step = self._hooks.before_step, self._hooks.after_step
        mark_watched(subject.networks, log.folder)
        forget_in_children(self)

    @untraced
    def batch(self, data: Data) -> Data:
        """Show a training batch to the monitor; returns the very object.

        Raises:
            DivergenceError: an alarm fired before and ``on_alarm="stop"``.
        """
        if not self._calm.lets_by(data, None):
            self._looking.take(data, None, raises=True)
        return data

    @untraced
    def show(self, data: Any, read: Callable[[Any], Any] | None = None) -> None:
        """Show a training batch, for frameworks that stop by themselves once ``stopped_by`` is set.

        Args:
            data: The batch.
            read: Makes transitions of it; called only where the monitor looks at the batch.
        """
        if not self._calm.lets_by(data, read):
            self._looking.take(data, read, raises=False)

    @untraced
    def log(self, values: Mapping[str, float]) -> None:
        """Log numbers of the run's own by name, at its present step.

        ``charts/episodic_return`` and ``losses/td_loss`` have panels in the report; by
        ``charts/episodic_length`` values at γ = 1 have a limit; ``qdiverge export`` and the sinks
        have all.
        """
        if not self._progress.is_closed:
            begin = self.budget.now()
            with self._parts.guard("logging numbers of the run's own", self.num_updates):
                self._parts.log.metrics(self.step, values)
            self.budget.calls += self.budget.now() - begin

    @untraced
    def snapshot(self) -> None:
        """Have the next update kept whole, in ``snapshots/UPDATE`` of the run's folder.

        It is the first whose batch is shown from now on; :func:`qdiverge.load_snapshot` reads it,
        ``qdiverge diagnose`` and ``qdiverge inspect`` say what it would do.
        """
        parts, now = self._parts, self._progress
        if now.is_closed:
            return
        why = "It was asked for."
        asked = AlarmEvent(now.step, now.num_updates, "asked_for", why, "condition")
        parts.keeping.ask(asked, lambda: SnapshotRecorder(parts.subject, parts.log.folder))
        self._calm.end()

    @property
    def hook(self) -> RemovableHandle:
        """Return the hook on the optimiser that calls ``after_step``."""
        return self._hooks.hook

    @property
    def num_updates(self) -> int:
        """Return how many optimiser updates were seen."""
        return self._progress.num_updates

    @property
    def latest(self) -> dict[str, float]:
        """Return the newest value of each metric."""
        return self._parts.measuring.latest

    @property
    def rule(self) -> UpdateRule:
        """Return the update that the run makes, as far as it is known."""
        return self.subject.rule

    @property
    def num_measured(self) -> dict[str, int]:
        """Return how often each tier was measured."""
        return dict(self._parts.measuring.num_measured)

    @property
    def alarms(self) -> list[AlarmEvent]:
        """Return what fired so far, oldest first; each rule fires once."""
        return self._parts.alarms.events

    @property
    def stopped_by(self) -> AlarmEvent | None:
        """Return the alarm that ends the run, with ``on_alarm="stop"``; None: it goes on."""
        return self._parts.alarms.stopped_by

    @property
    def step(self) -> int:
        """Return the present step in the run's own unit: agent steps with a clock, else updates."""
        return self._progress.step

    @property
    def overhead(self) -> float:
        """Return the time spent by the monitor, as a share of the run's own time."""
        return self.budget.overhead

    @property
    def verdict(self) -> str:
        """Return a sentence on how the run stands now."""
        failed, otherwise = self._parts.guard.failed, self.subject.measured_otherwise
        if unseen := [what for what in ("reading the batch", "QValues") if what in failed]:
            otherwise = otherwise or f"{unseen[0]} failed: {failed[unseen[0]]}"
        return verdict_of(self.latest, self.alarms, otherwise)

    def moment(self, data: Any = None) -> Moment:
        """Return the run as it is now, as diagnostics measure it: on a batch, or the probe batch.

        Raises:
            InvalidValueError: no batch was shown yet.
        """
        return self._parts.measuring.moment(self.num_updates, data)

    def state(self) -> dict[str, Any]:
        """Return what a monitor of the same run needs to go on as this one would; see ``restore``.

        It is of numbers, strings, tensors, lists and dicts; ``dump_state`` makes files of it.
        """
        parts = self._parts
        own = {"num_updates": self.num_updates, "target": parts.target.state()}
        own |= {"audit": self.loop_audit.state(), "seen": dict(self.subject.seen)}
        own |= {"foresight": self.foresight.state(), "look_due": parts.early.due}
        own |= {"reminder": parts.reminder.state()}
        return own | parts.alarms.state() | parts.measuring.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from another monitor's ``state`` of this run: rules that fired do not fire again.

        What it may cost is counted anew, so that with a ``max_overhead`` other measurements may be
        left out than without the interruption.

        Raises:
            InvalidValueError: it is no such state; nothing is changed then.
        """
        try:
            check_state(state)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise InvalidValueError("state must be that of a monitor", got=error) from error
        parts = self._parts
        parts.progress.num_updates = state["num_updates"]
        parts.alarms.restore(state)
        parts.measuring.restore(state)
        if "audit" in state:  # older checkpoints have none
            self.loop_audit.restore(state["audit"])
            self.subject.seen = dict(state["seen"])
        if "foresight" in state:
            self.foresight.restore(state["foresight"])
            parts.early.due = state["look_due"]
        if "reminder" in state:
            parts.reminder.restore(state["reminder"])
        parts.target.restore(state["target"])

    def mark(self) -> LogMark:
        """Bring the log to the disk; return where it ends, from where it can go on."""
        return self._parts.log.sync()

    def close(self, status: str = "finished") -> None:
        """Measure once more, remove the hook and close the log that :func:`attach` opened."""
        parts, now = self._parts, self._progress
        if now.is_closed:
            return
        if status == "finished":
            self._looking.look_last()
        now.is_closed = True
        self._hooks.close()
        parts.loop_audit.close()
        parts.ahead.close(now.num_updates)
        if now.num_updates:
            parts.audit_notes.note(now.num_updates)
        parts.keeping.close(now.num_updates)
        unmark_watched(self.subject.networks)
        if parts.guard.failed:
            parts.log.note({"monitor_failures": parts.guard.failed})
        if self._owns_log:
            parts.log.close(status)

    def forget(self) -> None:
        """Watch nothing in a forked child, which may have a monitor of its own."""
        self._progress.is_closed = True
        self._hooks.close()
        unmark_watched(self.subject.networks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close("finished" if kind is None else "interrupted")
