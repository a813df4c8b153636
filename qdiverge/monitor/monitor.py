"""The monitor: diagnostics on an optimiser's hook, which see the run and change nothing."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import torch

from qdiverge.diagnostics import Diagnostic, Moment
from qdiverge.monitor.alarms import Alarms
from qdiverge.monitor.attach_checks import mark_watched, unmark_watched
from qdiverge.monitor.audit_notes import AuditNotes, StepArguments, after_closure
from qdiverge.monitor.early_look import EarlyLook
from qdiverge.monitor.foresight.foresight import Foresight
from qdiverge.monitor.foresight.notes import ForesightNotes
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.idle_watch import PATIENCE, IdleWatch
from qdiverge.monitor.loop_audit import LoopAudit
from qdiverge.monitor.measuring import LOG_DENSITY, Measuring
from qdiverge.monitor.other_optimizer import OtherOptimizer, held_by
from qdiverge.monitor.reminder import Reminder
from qdiverge.monitor.snapshots import Keeping, SnapshotRecorder
from qdiverge.monitor.status_line import verdict_of
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.target_notes import TargetNotes
from qdiverge.monitor.untraced import untraced
from qdiverge.runs import AlarmEvent, RunLog
from qdiverge.runs.log import LogMark
from qdiverge.update import Finding, UpdateRule
from qdiverge.update.auditing.findings import finding

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
        num_updates: Optimiser updates seen.
        hook: On the optimiser; it calls ``after_step``.
        loop_audit: What audits of the run's own updates have said.
        foresight: What copies that ran ahead have said.
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
        self.num_updates = 0
        self._log, self._owns_log, self._clock = log, owns_log, clock
        self._guard = Guard()
        self._reminder = Reminder(self.options.every, self._tell)
        self._measuring = Measuring(subject, log, self._guard, diagnostics, log_density)
        self.budget = self._measuring.budget
        keeps = "snapshot" in self.options.reactions
        recorder = self._make_recorder() if keeps else None
        self._keeping = Keeping(recorder, self._guard, self.budget)
        self._alarms = Alarms(log, self._guard, self.options.reactions, self._keeping)
        self._target = TargetNotes(subject, log, self._guard, lambda: self.step, self._tell)
        self._idle_watch = IdleWatch(subject.networks)
        self.loop_audit = LoopAudit(subject, self._guard, self.budget, self.options.audit_period)
        self.foresight = Foresight(subject, self._guard, self.budget, self.options.foresight)
        self._ahead = ForesightNotes(self.foresight, log, self._guard, self.budget, self._alarms)
        self._early = EarlyLook(subject, self._measuring, self._guard)
        self._audit = AuditNotes(
            self.loop_audit, subject, log, self._guard, self.budget, self._tell
        )
        self._is_closed = False
        self._num_shown = 0  # batches since the last step
        self._calm_until: float = 0  # up to this update nothing is due
        self._listen()
        self._other = OtherOptimizer(
            subject.optimizer, held_by(subject.optimizer, subject.networks), self._follow
        )
        mark_watched(subject.networks, log.folder)

    @untraced
    def batch(self, data: Data) -> Data:
        """Show a training batch to the monitor; returns the very object.

        Raises:
            DivergenceError: an alarm fired before and ``on_alarm="stop"``.
        """
        if not self._is_calm(data, None):
            self._take(data, None, raises=True)
        return data

    @untraced
    def show(self, data: Any, read: Callable[[Any], Any] | None = None) -> None:
        """Show a training batch, for frameworks that stop by themselves once ``stopped_by`` is set.

        Args:
            data: The batch.
            read: Makes transitions of it; called only where the monitor looks at the batch.
        """
        if not self._is_calm(data, read):
            self._take(data, read, raises=False)

    @untraced
    def log(self, values: Mapping[str, float]) -> None:
        """Log numbers of the run's own by name, at its present step.

        ``charts/episodic_return`` and ``losses/td_loss`` have panels in the report; ``qdiverge
        export`` and the sinks have all.
        """
        if not self._is_closed:
            with self._guard("logging numbers of the run's own", self.num_updates):
                self._log.metrics(self.step, values)

    @untraced
    def snapshot(self) -> None:
        """Have the next update kept whole, in ``snapshots/UPDATE`` of the run's folder.

        It is the first whose batch is shown from now on; :func:`qdiverge.load_snapshot` reads it,
        ``qdiverge diagnose`` and ``qdiverge inspect`` say what it would do.
        """
        if self._is_closed:
            return
        asked = AlarmEvent(
            self.step, self.num_updates, "asked_for", "It was asked for.", "condition"
        )
        self._keeping.ask(asked, self._make_recorder)
        self._calm_until = 0

    @untraced
    def before_step(
        self, _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> StepArguments | None:
        """Audit the update that is about to be made, where it is due; the hook's call.

        It returns the step's arguments where its closure is to look in between.
        """
        if self.loop_audit.is_off or (self._num_shown == 1 and self.num_updates < self._calm_until):
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):  # none, or what another optimiser takes
            self._audit.look(self.num_updates + 1)
            return None
        return after_closure(closure, lambda: self._audit.look(self.num_updates + 1), args, kwargs)

    @untraced
    def after_step(self, *_: Any) -> None:
        """Look at the update that was just made, and measure where it is due; the hook's call."""
        self.num_updates += 1
        is_calm = self._num_shown == 1 and self.num_updates <= self._calm_until
        self._num_shown = 0
        if is_calm:
            return
        self._look()
        self._calm_until = self._next_due() - 1

    def _look(self) -> None:
        """Look at the update that was just made."""
        self._keeping.finish(self.num_updates)
        begin = self.budget.now()
        self._target.look(self.num_updates)
        if self.num_updates % self.options.every:
            self.budget.calls += self.budget.now() - begin
            if self._early.sees_beyond(self.num_updates):
                with self._guard("measuring", self.num_updates):
                    self._measure()
        elif not self.subject.is_trained:
            self._say_once("network_replaced", update=self.num_updates)
        else:
            if self._measuring.has_batch:
                with self._guard("measuring", self.num_updates):
                    self._measure()
            self._reminder.look(self.num_updates)

    @property
    def latest(self) -> dict[str, float]:
        """Return the newest value of each metric."""
        return self._measuring.latest

    @property
    def rule(self) -> UpdateRule:
        """Return the update that the run makes, as far as it is known."""
        return self.subject.rule

    @property
    def num_measured(self) -> dict[str, int]:
        """Return how often each tier was measured."""
        return dict(self._measuring.num_measured)

    @property
    def alarms(self) -> list[AlarmEvent]:
        """Return what fired so far, oldest first; each rule fires once."""
        return self._alarms.events

    @property
    def stopped_by(self) -> AlarmEvent | None:
        """Return the alarm that ends the run, with ``on_alarm="stop"``; None: it goes on."""
        return self._alarms.stopped_by

    @property
    def step(self) -> int:
        """Return the present step in the run's own unit: agent steps with a clock, else updates."""
        return self._clock() if self._clock is not None else self.num_updates

    @property
    def overhead(self) -> float:
        """Return the time spent by the monitor, as a share of the run's own time."""
        return self.budget.overhead

    @property
    def verdict(self) -> str:
        """Return a sentence on how the run stands now."""
        unseen = [what for what in ("reading the batch", "QValues") if what in self._guard.failed]
        otherwise = self.subject.measured_otherwise
        if unseen:
            otherwise = otherwise or f"{unseen[0]} failed: {self._guard.failed[unseen[0]]}"
        return verdict_of(self.latest, self.alarms, otherwise)

    def moment(self, data: Any = None) -> Moment:
        """Return the run as it is now, as diagnostics measure it: on a batch, or the probe batch.

        Raises:
            InvalidValueError: no batch was shown yet.
        """
        return self._measuring.moment(self.num_updates, data)

    def state(self) -> dict[str, Any]:
        """Return what a monitor of the same run needs to go on as this one would; see ``restore``.

        It is of numbers, strings, tensors, lists and dicts; ``dump_state`` makes files of it.
        """
        own = {"num_updates": self.num_updates, "target": self._target.state()}
        own |= {"audit": self.loop_audit.state(), "seen": dict(self.subject.seen)}
        own |= {"foresight": self.foresight.state(), "look_due": self._early.due}
        own |= {"reminder": self._reminder.state()}
        return own | self._alarms.state() | self._measuring.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from another monitor's ``state`` of this run: rules that fired do not fire again.

        What it may cost is counted anew, so that with a ``max_overhead`` other measurements may be
        left out than without the interruption.
        """
        self.num_updates = state["num_updates"]
        self._alarms.restore(state)
        self._measuring.restore(state)
        if "audit" in state:  # older checkpoints have none
            self.loop_audit.restore(state["audit"])
            self.subject.seen = dict(state["seen"])
        if "foresight" in state:
            self.foresight.restore(state["foresight"])
            self._early.due = state["look_due"]
        if "reminder" in state:
            self._reminder.restore(state["reminder"])
        self._target.restore(state["target"])

    def mark(self) -> LogMark:
        """Bring the log to the disk; return where it ends, from where it can go on."""
        return self._log.sync()

    def close(self, status: str = "finished") -> None:
        """Measure once more, remove the hook and close the log that :func:`attach` opened."""
        if self._is_closed:
            return
        if status == "finished":
            self._target.look_up(self.num_updates)
            if self._measuring.has_batch and self.num_updates and self.subject.is_trained:
                self._measuring.keep_arrays(self.num_updates)
                with self._guard("measuring", self.num_updates):
                    self._measure(is_last=True)
            self._reminder.remind(self.num_updates)
        self._is_closed = True
        self.hook.remove()
        self._pre_hook.remove()
        self._other.close()
        self.loop_audit.close()
        self._ahead.close(self.num_updates)
        if self.num_updates:
            self._audit.note(self.num_updates)
        self._keeping.close(self.num_updates)
        unmark_watched(self.subject.networks)
        if self._guard.failed:
            self._log.note({"monitor_failures": self._guard.failed})
        if self._owns_log:
            self._log.close(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _take(self, data: Any, read: Callable[[Any], Any] | None, *, raises: bool) -> None:
        """Hand a training batch to whoever wants it."""
        update = self.num_updates
        if not self._is_closed:
            self._target.look_up(update)
        if update >= self.foresight.wake and not self._is_closed:
            last_move, limit = self._target.last_move, self._measuring.limit_ahead
            self._ahead.look(data, read, update, self.step, last_move, limit)
        if not self._is_closed:
            self._keeping.begin(data, read, update + 1)
        self._alarms.raise_what_is_meant_for_the_loop()
        if raises:
            self._alarms.raise_if_stopped()
        if not self._is_closed:
            self.loop_audit.show(data, read, update)
        if not self._is_closed and self._measuring.wants_batch(update):
            with self._guard("reading the batch", update), self.budget.charge("batch"):
                self._measuring.read_batch(data if read is None else read(data), update)
        if not self._is_closed:
            for found in self.subject.take_findings():
                self._tell(found)
        if not self._is_closed and self._idle_watch.is_idle(update):
            self._tell(finding("optimizer_never_steps", num_batches=PATIENCE))

    def _is_calm(self, data: Any, read: Callable[[Any], Any] | None) -> bool:
        """Take note of a batch and its rewards; return whether no more is due at its update."""
        self._num_shown += 1
        if not self._is_closed:
            self._reminder.show(self.num_updates)
            self._measuring.note_rewards(data, read, self.num_updates)
        return self._num_shown == 1 and self.num_updates < self._calm_until

    def _next_due(self) -> float:
        """Return the next update at which anything is to be done."""
        n, every = self.num_updates, self.options.every
        if self._keeping.is_waiting or self._alarms.is_waiting or self._measuring.wants_batch(n):
            return n + 1
        return min(
            n - n % every + every,
            self._early.next_look,
            self._target.next_look,
            self.loop_audit.next_look(n),
            self.foresight.wake + 1,
        )

    def _listen(self) -> None:
        """Hook the optimiser."""
        optimizer = self.subject.optimizer
        self.hook = optimizer.register_step_post_hook(self.after_step)
        self._pre_hook = optimizer.register_step_pre_hook(self.before_step)

    @untraced
    def _follow(self, optimizer: torch.optim.Optimizer, num_missed: int) -> None:
        """Watch the optimiser that trains the network now in the place of the one before."""
        if self._is_closed:
            return
        self.hook.remove()
        self._pre_hook.remove()
        self.subject.optimizer, self._calm_until = optimizer, 0
        self.loop_audit.forget()
        self._listen()
        name, update = type(optimizer).__name__, self.num_updates
        self._say_once("optimizer_replaced", optimizer=name, update=update, num_missed=num_missed)

    def _say_once(self, code: str, **evidence: Any) -> None:
        """Say what is wrong with the loop, unless it was said."""
        if all(alarm.rule != code for alarm in self.alarms):
            self._tell(finding(code, **evidence))

    def _make_recorder(self) -> SnapshotRecorder:
        return SnapshotRecorder(self.subject, self._log.folder)

    def _tell(self, found: Finding) -> None:
        """Say what is wrong with the loop; copies look at what that does."""
        self._alarms.tell(found, self.step, self.num_updates)
        self.foresight.look_soon(self.num_updates)

    def _measure(self, *, is_last: bool = False) -> None:
        measured = self._measuring.measure(self.num_updates, self.step, is_last=is_last)
        if measured is None:
            return
        size = measured.metrics.get("diverge/q_abs_max", math.nan)
        limit = measured.metrics.get("diverge/divergence_limit", math.inf)
        self.foresight.look_at(size, limit, self.num_updates)
        with self.budget.charge("log"):
            self._keeping.want()
            self._measuring.log(measured, is_last=is_last)
            if not (alarms := self._alarms.check(measured)):
                return
            self._measuring.keep_arrays(self.num_updates)
            for alarm in alarms:
                self._alarms.raise_alarm(alarm)
                self.foresight.look_soon(self.num_updates)
                if alarm.is_alarm:
                    self._early.end()  # what it would look for is told
            self._measuring.log_for_alarm(measured)
