"""The monitor: diagnostics on an optimiser's hook, which see the run and change nothing."""

import math
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import nn

from qdiverge.diagnostics import (
    COSTS,
    Cost,
    Moment,
    Transitions,
    as_transitions,
    diagnostics_up_to,
    soft_divergence_bound,
)
from qdiverge.errors import DivergenceError, InvalidTypeError
from qdiverge.monitor.alarms import RULES, AlarmEvent, Past
from qdiverge.monitor.guard import guard
from qdiverge.monitor.options import MonitorOptions
from qdiverge.monitor.probe import Probe
from qdiverge.monitor.schedule import Budget
from qdiverge.monitor.verdict import verdict
from qdiverge.runs import RunLog

Data = TypeVar("Data")
PAST_LENGTH = 1_000  # measurements that the alarm rules look back on
PRECONDITIONED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop)


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
        q_network: nn.Module,
        optimizer: torch.optim.Optimizer,
        log: RunLog,
        options: MonitorOptions,
        *,
        target: nn.Module | None = None,
        owns_log: bool = True,
        clock: Callable[[], int] | None = None,
    ) -> None:
        self.options = options
        self.latest: dict[str, float] = {}
        self.alarms: list[AlarmEvent] = []
        self.num_updates = 0
        self._q_network, self._optimizer = q_network, optimizer
        self._target = target if target is not q_network else None
        self._log, self._owns_log, self._clock = log, owns_log, clock
        self._diagnostics = diagnostics_up_to(options.cost)
        self._budget = Budget(options.max_overhead)
        self._probe = Probe(options.probe_size, options.probe_refresh_period)
        self._past: deque[tuple[int, float]] = deque(maxlen=PAST_LENGTH)
        self._arrays_due = 1  # the update from which arrays are kept again: powers of two
        self._stopped_by: AlarmEvent | None = None
        self._is_closed = False
        self._hook = optimizer.register_step_post_hook(self._after_step)

    def batch(self, data: Data) -> Data:
        """Show a training batch to the monitor; returns the very object.

        Raises:
            DivergenceError: an alarm fired before and ``on_alarm="stop"``.
        """
        if (alarm := self._stopped_by) is not None:
            raise DivergenceError(
                "training was to stop at the first alarm",
                got=f"{alarm.rule} at update {alarm.update}: {alarm.message}",
                remedy="See the run's report.",
            )
        is_due = (self.num_updates + 1) % self.options.every == 0
        if not self._is_closed and (is_due or self._probe.wants(self.num_updates)):
            with guard("reading the batch", self.num_updates), self._budget.charge("batch"):
                self._probe.show(self._checked(data), self.num_updates)
        return data

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
            "past": list(self._past),
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
        self._past.extend((update, magnitude) for update, magnitude in state["past"])
        self._arrays_due = state["arrays_due"]
        self._probe.restore(state["probe"])
        saved = state["diagnostics"]  # without those that were switched off
        self._diagnostics = [each for each in self._diagnostics if type(each).__name__ in saved]
        for each in self._diagnostics:
            each.restore(saved[type(each).__name__])

    def close(self, status: str = "finished") -> None:
        """Measure once more, remove the hook and close the log that :func:`attach` opened."""
        if self._is_closed:
            return
        if self._probe.batch is not None and self.num_updates and status == "finished":
            self._arrays_due = self.num_updates
            self._measure(is_last=True)
        self._is_closed = True
        self._hook.remove()
        if self._owns_log:
            with guard("writing the run log", self.num_updates):
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

    def _after_step(self, *_: Any) -> None:
        self.num_updates += 1
        if self.num_updates % self.options.every == 0:
            if self._probe.batch is not None:
                self._measure()
            elif self.num_updates == 10 * self.options.every:
                warnings.warn(
                    f"qdiverge has seen {self.num_updates} updates but no batch; pass each one "
                    "through it: data = monitor.batch(data).",
                    stacklevel=3,
                )

    def _measure(self, is_last: bool = False) -> None:
        moment = self._moment()
        metrics: dict[str, float] = {}
        for tier in COSTS[: COSTS.index(self.options.cost) + 1]:
            is_finite = math.isfinite(metrics.get("diverge/q_abs_max", 0.0))
            if (is_last or self._budget.allows(tier)) and (is_finite or tier == "light"):
                with self._budget.charge(tier):
                    metrics |= self._measure_tier(tier, moment)
        if not metrics:
            return
        self.latest |= metrics
        if self._budget.share is not None:  # without a limit the log is free of the clock
            metrics["diverge/overhead"] = self.overhead
        with guard("writing the run log", self.num_updates):
            self._log.metrics(self.step, metrics | {"update": self.num_updates})
        if "diverge/q_abs_max" in metrics:
            self._check_rules(moment.bound)

    def _measure_tier(self, tier: Cost, moment: Moment) -> dict[str, float]:
        metrics: dict[str, float] = {}
        for diagnostic in [each for each in self._diagnostics if each.cost == tier]:
            switch_off = partial(self._diagnostics.remove, diagnostic)
            with guard(type(diagnostic).__name__, self.num_updates, switch_off):
                metrics |= diagnostic.measure(moment)
                if self.num_updates >= self._arrays_due:
                    for key, arrays in diagnostic.arrays(moment).items():
                        self._log.arrays(key, self.step, arrays)
                        self._arrays_due = 2 * self.num_updates
        return metrics

    def _moment(self) -> Moment:
        batch = self._probe.batch
        assert batch is not None
        reward_bound = self.options.reward_bound or self._probe.reward_bound or 1.0
        return Moment(
            q_network=self._q_network,
            batch=batch,
            discount=self.options.discount,
            learning_rate=self.options.step_size(float(self._optimizer.param_groups[0]["lr"])),
            update=self.num_updates,
            target=self._target,
            optimizer=self._optimizer if isinstance(self._optimizer, PRECONDITIONED) else None,
            bound=soft_divergence_bound(self.options.discount, reward_bound),
        )

    def _check_rules(self, bound: float) -> None:
        self._past.append((self.num_updates, self.latest["diverge/q_abs_max"]))
        updates, magnitudes = np.array(self._past, dtype=np.float64).T
        past = Past(updates.astype(np.int64), magnitudes, bound)
        for rule in RULES:
            if any(alarm.rule == rule.__name__ for alarm in self.alarms):
                continue
            message = rule(past)
            if message is not None:
                self._raise_alarm(AlarmEvent(self.step, self.num_updates, rule.__name__, message))

    def _raise_alarm(self, alarm: AlarmEvent) -> None:
        self.alarms.append(alarm)
        self._arrays_due = self.num_updates  # keep the kernel of the next measurement
        with guard("writing the run log", self.num_updates):
            self._log.alarm(alarm.step, alarm.update, alarm.rule, alarm.message)
        if callable(self.options.on_alarm):
            self.options.on_alarm(alarm)
        elif self.options.on_alarm == "stop":
            self._stopped_by = alarm

    def _checked(self, data: Any) -> Transitions:
        batch = as_transitions(data)
        if batch.actions.is_floating_point():
            raise InvalidTypeError(
                "integer actions [N] were expected",
                got=f"{batch.actions.dtype} of shape {list(batch.actions.shape)}",
                remedy="Attach to a network of discrete actions.",
            )
        return batch.plain()
