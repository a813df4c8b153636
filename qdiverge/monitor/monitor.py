"""The monitor: diagnostics on an optimiser's hook, which see the run and change nothing."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import torch

from qdiverge.diagnostics import COSTS, Cost, Moment, Transitions, diagnostics_up_to
from qdiverge.errors import DivergenceError
from qdiverge.monitor.checks import mark_watched, unmark_watched
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.probe import Probe
from qdiverge.monitor.rules.alarms import RULES, AlarmEvent
from qdiverge.monitor.rules.past import History, Past
from qdiverge.monitor.schedule import LIGHT_ALONE, LIGHT_BESIDE, Budget
from qdiverge.monitor.snapshots import Recorder
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.sync import TargetWatch
from qdiverge.monitor.untraced import untraced
from qdiverge.monitor.verdict import verdict
from qdiverge.runs import RunLog
from qdiverge.transitions import rewards_of

Data = TypeVar("Data")
PATIENCE = 10  # measurements that fall due without a batch or an update before it is said
DENSITY = 10_000  # measurements that are logged while the run grows e-fold: what bounds the log


class Monitor:
    """The diagnostics attached to one run; made by :func:`qdiverge.attach`.

    It hooks ``optimizer.step``: the gradient, the update and the random states stay as they are. An
    error while measuring becomes a warning, never the end of the training run.

    Attributes:
        latest: The newest value of each metric.
        alarms: What fired so far, oldest first; each rule fires once.
        num_updates: Optimiser updates seen.
    """

    def __init__(
        self,
        subject: Subject,
        log: RunLog,
        *,
        owns_log: bool = True,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.options = subject.options
        self.latest: dict[str, float] = {}
        self.alarms: list[AlarmEvent] = []
        self.num_updates = 0
        self._num_batches = 0
        self._subject, self._log = subject, log
        self._owns_log, self._clock = owns_log, clock
        self._tiers = COSTS[: COSTS.index(self.options.cost) + 1]
        self._diagnostics = diagnostics_up_to(self.options.cost)
        self._num_measured = dict.fromkeys(COSTS, 0)
        light = LIGHT_ALONE if self.options.cost == "light" else LIGHT_BESIDE
        self._budget = Budget(self.options.max_overhead, light=light)
        self._guard = Guard()
        self._probe = Probe(self.options.probe_size, self.options.probe_refresh_period)
        self._history = History({f"diverge/{name}" for rule in RULES for name in rule.needs})
        self._look_period = self.options.every if subject.device.type == "cuda" else 1
        self._target_watch = (
            TargetWatch(subject.targets[0], self._look_period) if subject.targets else None
        )
        self._logged_at = 0  # the update of the last logged measurement
        self._arrays_due = 1  # the update from which arrays are kept again: powers of two
        self._stopped_by: AlarmEvent | None = None
        keeps = "snapshot" in self.options.reactions
        self._recorder = Recorder(subject, log.folder) if keeps else None
        self._has_complained = self._is_closed = False
        self._hook = subject.optimizer.register_step_post_hook(self._after_step)
        mark_watched(subject.networks, log.folder)

    @untraced
    def batch(self, data: Data) -> Data:
        """Show a training batch to the monitor; returns the very object.

        Raises:
            DivergenceError: an alarm fired before and ``on_alarm="stop"``.
        """
        self._keep(data, None)
        if (alarm := self._stopped_by) is not None:
            raise DivergenceError(
                "training was to stop at the first alarm",
                got=f"{alarm.rule} at update {alarm.update}: {alarm.message.rstrip('.')}",
                remedy="See the run's report.",
            )
        self._see(data, None)
        return data

    @untraced
    def show(self, data: Any, read: Callable[[Any], Any] | None = None) -> None:
        """Show a training batch, for frameworks that stop by themselves once ``stopped_by`` is set.

        Args:
            data: The batch.
            read: Makes transitions of it; called only where the monitor looks at the batch.
        """
        self._keep(data, read)
        self._see(data, read)

    @untraced
    def log(self, values: Mapping[str, float]) -> None:
        """Log numbers of the run's own, at its present step.

        Args:
            values: By name. ``charts/episodic_return`` and ``losses/td_loss`` have panels in the
                report; ``qdiverge export`` and the sinks have all.
        """
        if not self._is_closed:
            with self._guard("logging numbers of the run's own", self.num_updates):
                self._log.metrics(self.step, values)

    def _keep(self, data: Any, read: Callable[[Any], Any] | None) -> None:
        if self._recorder is not None and self._recorder.wants_batch and not self._is_closed:
            with self._guard("keeping an update", self.num_updates), self._budget.charge("keep"):
                self._recorder.begin(data if read is None else read(data), self.num_updates + 1)

    def _see(self, data: Any, read: Callable[[Any], Any] | None) -> None:
        self._num_batches += 1
        is_due = (self.num_updates + 1) % self.options.every == 0 and self._may_measure
        if not self._is_closed and (is_due or self._probe.wants(self.num_updates)):
            with self._guard("reading the batch", self.num_updates), self._budget.charge("batch"):
                shown = data if read is None else read(data)
                if self._probe.wants(self.num_updates):
                    self._look_at(shown)
                else:
                    self._probe.note(rewards_of(shown))
        if self._num_batches == PATIENCE * self.options.every and self.num_updates == 0:
            self._complain()

    @property
    def _may_measure(self) -> bool:
        return any(map(self._budget.allows, self._tiers))

    @property
    def stopped_by(self) -> AlarmEvent | None:
        """The alarm that ends the run, with ``on_alarm="stop"``; None: it goes on."""
        return self._stopped_by

    @property
    def step(self) -> int:
        """The present step in the run's own unit: agent steps with a clock, else updates."""
        return self._clock() if self._clock is not None else self.num_updates

    @property
    def overhead(self) -> float:
        """Time spent by the monitor, as a share of the run's own time."""
        return self._budget.overhead

    @property
    def verdict(self) -> str:
        """A sentence on how the run stands now."""
        return verdict(self.latest, [alarm.message for alarm in self.alarms])

    def state(self) -> dict[str, Any]:
        """What a monitor of the same run needs to go on as this one would; see ``restore``.

        Returns:
            Of numbers, strings, tensors, lists and dicts; see ``monitor.state`` for files of it.
        """
        return {
            "num_updates": self.num_updates,
            "latest": dict(self.latest),
            "alarms": [asdict(alarm) for alarm in self.alarms],
            "past": self._history.state(),
            "num_measured": dict(self._num_measured),
            "target": None if self._target_watch is None else self._target_watch.state(),
            "logged_at": self._logged_at,
            "arrays_due": self._arrays_due,
            "probe": self._probe.state(),
            "diagnostics": {type(each).__name__: each.state() for each in self._diagnostics},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where another monitor of this run stood: rules that fired do not fire again.

        What it may cost is counted anew, so that with a ``max_overhead`` other measurements may be
        left out than without the interruption.

        Args:
            state: What ``state`` returned.
        """
        self.num_updates = state["num_updates"]
        self.latest = dict(state["latest"])
        self.alarms = [AlarmEvent(**alarm) for alarm in state["alarms"]]
        self._history.restore(state["past"])
        self._num_measured |= state["num_measured"]
        if state["target"] is None:
            self._target_watch = None
        elif self._target_watch is not None:
            self._target_watch.restore(state["target"])
        self._logged_at = state["logged_at"]
        self._arrays_due = state["arrays_due"]
        self._probe.restore(state["probe"])
        if self._probe.batch is not None:
            self._subject.read(self._probe.batch)
        saved = state["diagnostics"]  # without those that were switched off
        self._diagnostics = [each for each in self._diagnostics if type(each).__name__ in saved]
        for each in self._diagnostics:
            each.restore(saved[type(each).__name__])

    def close(self, status: str = "finished") -> None:
        """Measure once more, remove the hook and close the log that :func:`attach` opened."""
        if self._is_closed:
            return
        if status == "finished":
            if self._probe.batch is not None and self.num_updates:
                self._arrays_due = self.num_updates
                with self._guard("measuring", self.num_updates):
                    self._measure(is_last=True)
            elif self._num_batches >= self.options.every or self.num_updates:
                self._complain()
        self._is_closed = True
        self._hook.remove()
        if self._recorder is not None:
            with self._guard("keeping an update", self.num_updates):
                self._recorder.close()
        unmark_watched(self._subject.networks)
        if self._guard.failed:
            self._log.note({"monitor_failures": self._guard.failed})
        if self._owns_log:
            self._log.close(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close("finished" if kind is None else "interrupted")

    @untraced
    def _after_step(self, *_: Any) -> None:
        self.num_updates += 1
        if self._recorder is not None and self._recorder.is_recording:
            with self._guard("keeping an update", self.num_updates), self._budget.charge("keep"):
                self._recorder.finish()
        begin = self._budget.now()
        if self._target_watch is not None and self.num_updates % self._look_period == 0:
            self._look_at_target(self._target_watch)
        if self.num_updates % self.options.every:
            self._budget.calls += self._budget.now() - begin
        elif self._probe.batch is not None:
            with self._guard("measuring", self.num_updates):
                self._measure()
        elif self.num_updates == PATIENCE * self.options.every:
            self._complain()

    def _look_at(self, data: Any) -> None:
        is_first = not self._subject.is_split
        batch = self._subject.read(data)
        self._probe.show(batch, self.num_updates)
        if is_first:
            self._switch_off_what_cannot_be(batch)

    def _switch_off_what_cannot_be(self, batch: Transitions) -> None:
        reasons = {each: self._subject.why_off(each, batch) for each in self._diagnostics}
        self._diagnostics = [each for each, reason in reasons.items() if not reason]
        if off := {type(each).__name__: reason for each, reason in reasons.items() if reason}:
            self._log.note({"diagnostics_off": off})

    def _look_at_target(self, watch: TargetWatch) -> None:
        try:  # at every update, where a context manager would cost as much as the look
            if watch.has_moved(self.num_updates):
                self._log.target_sync(self.step, self.num_updates)
                if watch.is_continuous:
                    self._target_watch = None
                    self._log.note({"target_follows": "at nearly every update; no longer logged"})
        except Exception as error:
            self._guard.tell("watching the target", self.num_updates, error, None)

    def _measure(self, is_last: bool = False) -> None:
        if self._subject.device.type == "cuda":  # what is still queued is the run's own time
            torch.cuda.synchronize(self._subject.device)
        if not (is_last or self._may_measure):
            return
        batch, reward_bound = self._probe.batch, self.options.reward_bound
        assert batch is not None
        reward_bound = reward_bound or self._probe.reward_bound or 1.0
        with self._budget.charge("moment"):
            moment = self._subject.moment(batch, self.num_updates, reward_bound)
        metrics: dict[str, float] = {}
        for tier in self._tiers:
            is_sound = math.isfinite(metrics.get("diverge/q_abs_max", 0.0))
            is_sound &= moment.learning_rate > 0  # a warm-up may begin at 0
            if (is_last or self._budget.allows(tier)) and (is_sound or tier == "light"):
                with self._budget.charge(tier):
                    metrics |= self._measure_tier(tier, moment, is_last)
                self._num_measured[tier] += 1
        if metrics:
            with self._budget.charge("log"):
                self._record(metrics, moment, is_last)

    def _record(self, metrics: dict[str, float], moment: Moment, is_last: bool) -> None:
        self.latest |= metrics
        self._history.add(self.num_updates, metrics)
        if self._recorder is not None and self._budget.allows("keep"):
            self._recorder.want()
        if self._budget.share is not None:  # without a limit the log is free of the clock
            metrics["diverge/overhead"] = self.overhead
        is_due = (self.num_updates - self._logged_at) * DENSITY >= self.num_updates
        if is_due or is_last:
            self._log_metrics(metrics)
        num_alarms = len(self.alarms)
        self._check_rules(Past(self._history.tracks(), moment.bound, moment.learning_rate))
        if len(self.alarms) > num_alarms and self._logged_at < self.num_updates:
            self._log_metrics(metrics)  # what the alarm is about

    def _log_metrics(self, metrics: dict[str, float]) -> None:
        self._log.metrics(self.step, metrics | {"update": self.num_updates})
        self._logged_at = self.num_updates

    def _measure_tier(self, tier: Cost, moment: Moment, is_last: bool) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for diagnostic in [each for each in self._diagnostics if each.cost == tier]:
            if self._num_measured[tier] % diagnostic.period and not is_last:
                continue
            switch_off = partial(self._diagnostics.remove, diagnostic)
            with self._guard(type(diagnostic).__name__, self.num_updates, switch_off):
                metrics |= diagnostic.measure(moment)
                if self.num_updates >= self._arrays_due:
                    for key, arrays in diagnostic.arrays(moment).items():
                        self._log.arrays(key, self.step, arrays)
                        self._arrays_due = 2 * self.num_updates
        return metrics

    def _check_rules(self, past: Past) -> None:
        fired = {alarm.rule for alarm in self.alarms}
        for rule in RULES:
            if rule.name in fired:
                continue
            message = None
            with self._guard(f"the alarm rule {rule.name}", self.num_updates):
                message = rule.check(past)
            if message is not None:
                alarm = AlarmEvent(self.step, self.num_updates, rule.name, message)
                self._raise_alarm(alarm, stops=rule.stops)

    def _raise_alarm(self, alarm: AlarmEvent, *, stops: bool) -> None:
        self.alarms.append(alarm)
        self._arrays_due = self.num_updates  # keep the kernel of the next measurement
        self._log.alarm(alarm.step, alarm.update, alarm.rule, alarm.message)
        if self._recorder is not None:
            with self._guard("keeping an update", self.num_updates):
                self._recorder.alarm(alarm, is_too_late=alarm.rule == "not_finite")
        for reaction in self.options.reactions:
            if callable(reaction):
                with self._guard("the callable on_alarm", self.num_updates):
                    reaction(alarm)
            elif reaction == "stop" and stops and self._stopped_by is None:
                self._stopped_by = alarm

    def _complain(self) -> None:
        """Say once that batches or updates do not come in."""
        if self._has_complained:
            return
        self._has_complained = True
        if self.num_updates == 0:
            text = (
                f"{self._num_batches} batches but no update; pass the optimizer whose step() "
                "the loop calls."
            )
        elif self._num_batches == 0:
            text = (
                f"{self.num_updates} updates but no batch; pass each one through it: "
                "data = monitor.batch(data)."
            )
        else:
            return
        warnings.warn(f"qdiverge has seen {text}", stacklevel=4)
