"""What is measured of a run, when, and which of it is logged."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from qdiverge.batch_reading import row_discounts, row_weights
from qdiverge.diagnostics import (
    COSTS,
    Cost,
    Diagnostic,
    Moment,
    Transitions,
    diagnostics_up_to,
)
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.budget import LIGHT_SHARE, LIGHT_SHARE_ALONE, Budget
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.probe_batch import ProbeBatch, transitions_of
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.value_limit import ValueLimit
from qdiverge.runs import RunLog

LOG_DENSITY = 10_000  # measurements that are logged while the run grows e-fold: bounds the log


@dataclass(frozen=True)
class Measurement:
    """What was measured at one update.

    Attributes:
        update: Optimiser updates made.
        step: The run's own step.
        moment: What it was measured of.
        metrics: By name.
    """

    update: int
    step: int
    moment: Moment
    metrics: dict[str, float]


class Measuring:
    """Diagnostics of a run on a probe batch, as often as its time allows.

    Args:
        subject: The run.
        log: Where it writes.
        guard: Of errors.
        diagnostics: What to measure; None: every one up to the tier of the options.
        log_density: Measurements that are logged while the run grows e-fold.

    Attributes:
        budget: The time that it may take.
        value_limit: From which size values count as divergent.
        newest: The last training batch that was copied.
        latest: The newest value of each metric.
        num_measured: Tier → how often it was measured.
    """

    def __init__(
        self,
        subject: Subject,
        log: RunLog,
        guard: Guard,
        diagnostics: Sequence[Diagnostic] | None = None,
        log_density: int = LOG_DENSITY,
    ) -> None:
        options = subject.options
        self._subject, self._log, self._guard = subject, log, guard
        self._every, self._log_density = options.every, log_density
        self._tiers = COSTS[: COSTS.index(options.cost) + 1]
        self._diagnostics = list(diagnostics or diagnostics_up_to(options.cost))
        self._probe = ProbeBatch(options.probe_size, options.probe_refresh_period)
        self.newest: Transitions | None = None  # the last training batch that was copied
        self._logged_at = 0  # the update of the last logged measurement
        self._arrays_due = 1  # the update from which arrays are kept again: powers of two
        light_share = LIGHT_SHARE_ALONE if options.cost == "light" else LIGHT_SHARE
        self.budget = Budget(options.max_overhead, light_share=light_share)
        self.value_limit = ValueLimit(subject, guard, self.budget)
        self.latest: dict[str, float] = {}
        self.num_measured: dict[str, int] = dict.fromkeys(COSTS, 0)

    @property
    def has_batch(self) -> bool:
        """Return whether there are transitions to measure on."""
        return self._probe.batch is not None

    @property
    def is_affordable(self) -> bool:
        """Return whether the budget allows any tier."""
        return any(map(self.budget.allows, self._tiers))

    @property
    def batch(self) -> Transitions:
        """Return the transitions that are measured on, once there are any."""
        assert self._probe.batch is not None
        return self._probe.batch

    def wants_batch(self, update: int) -> bool:
        """Return whether to read the training batch that is shown after so many updates."""
        return self._is_due(update) or self._probe.wants(update)

    @property
    def next_probed(self) -> int:
        """Return the update after which a batch is read for the probe."""
        return self._probe.next_wanted

    def read_batch(self, data: Any, update: int) -> None:
        """Copy what the probe batch still misses, and all before a measurement.

        Args:
            data: The batch.
            update: Optimiser updates made before.
        """
        is_first = not self._subject.is_split
        batch = self._subject.read(data)
        self._probe.show(batch, update, row_weights(data), row_discounts(data))
        if self._is_due(update):
            self.newest = batch.clone()
        if is_first:
            self._switch_off_what_cannot_be(batch)
        self.value_limit.see_first(batch)

    def keep_newest(self, data: Any) -> None:
        """Copy all of a batch, for a measurement out of turn."""
        self.newest = self._subject.read(data).clone()

    def moment(self, update: int, data: Any = None) -> Moment:
        """Return the run as it is now, on a batch and what weighs its rows, or on the probe batch.

        Raises:
            InvalidValueError: no batch was shown yet.
        """
        run_so_far: dict[str, Any] = {
            "first_size": self.value_limit.first_size,
            "longest_episode": self._log.longest_episode,
            "least_bonus": self.value_limit.entropy_bonus,
        }
        reward_bound = self.value_limit.reward_bound
        if data is not None:
            of_rows = row_weights(data), row_discounts(data)
            batch = self._subject.read(data)
            return self._subject.moment(batch, update, reward_bound, *of_rows, **run_so_far)
        if (rows := self._probe.rows) is None:
            raise InvalidValueError(
                "the monitor must have been shown a training batch",
                got="none so far",
                remedy="Pass each to monitor.batch(…), or one to this call.",
            )
        return self._subject.moment(
            rows.transitions,
            update,
            reward_bound,
            rows.weights_or(1.0),
            rows.discounts_or(self._subject.options.discount),
            newest=self.newest,
            **run_so_far,
        )

    def measure(
        self, update: int, step: int, *, is_last: bool = False, is_urgent: bool = False
    ) -> Measurement | None:
        """Measure what the budget allows, arrays included; None where it allows nothing.

        Args:
            update: Optimiser updates made.
            step: The run's own step.
            is_last: Measure the light tier, and what never was, whatever it costs; keep arrays.
            is_urgent: Measure the light tier whatever it costs.
        """
        if self._subject.device.type == "cuda":  # what is still queued is the run's own time
            torch.cuda.synchronize(self._subject.device)
        if not (is_last or is_urgent or self.is_affordable):
            return None
        with self.budget.charge("moment"):
            measured = Measurement(update, step, self.moment(update), {})
        metrics = measured.metrics
        for tier in self._tiers:
            is_sound = math.isfinite(metrics.get("diverge/q_abs_max", 0.0))
            is_sound &= measured.moment.learning_rate > 0  # a warm-up may begin at 0
            is_light = tier == "light"
            is_due = (is_urgent and is_light) or self.budget.allows(tier)
            is_due |= is_last and (is_light or not self.num_measured[tier])
            if is_due and (is_sound or is_light):
                with self.budget.charge(tier):
                    self._measure_tier(tier, measured, is_last)
                self.num_measured[tier] += 1
        self.latest |= metrics
        self.value_limit.entropy_bonus = measured.moment.entropy_bonus
        return measured if metrics else None

    def log(self, measured: Measurement, *, is_last: bool = False) -> None:
        """Log a measurement, unless enough were logged as the run grew to its present length."""
        if self.budget.share is not None:  # without a limit the log is free of the clock
            measured.metrics["diverge/overhead"] = self.budget.overhead
        is_due = (measured.update - self._logged_at) * self._log_density >= measured.update
        if is_due or is_last:
            self._write(measured)

    def log_for_alarm(self, measured: Measurement) -> None:
        """Log what an alarm is about, where it was left out."""
        if self._logged_at < measured.update:
            self._write(measured)

    def keep_arrays(self, update: int) -> None:
        """Keep the arrays, such as the kernel, of the first measurement at ``update`` or after."""
        self._arrays_due = update

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would; see ``restore``."""
        return {
            "latest": dict(self.latest),
            "num_measured": dict(self.num_measured),
            "logged_at": self._logged_at,
            "arrays_due": self._arrays_due,
            "longest_episode": self._log.longest_episode,
            **self.value_limit.state(),
            "newest": None if self.newest is None else vars(self.newest),
            "probe": self._probe.state(),
            "diagnostics": {type(each).__name__: each.state() for each in self._diagnostics},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned; what it may cost is counted anew."""
        self.latest = dict(state["latest"])
        self.num_measured |= state["num_measured"]
        self._logged_at, self._arrays_due = state["logged_at"], state["arrays_due"]
        self._probe.restore(state["probe"])
        of_old = state["probe"].get("reward_bound", 0.0)  # older checkpoints keep it there
        self.value_limit.restore({"largest_reward": of_old} | state)
        self._log.longest_episode = state.get("longest_episode")
        if (newest := state.get("newest")) is not None:
            self.newest = transitions_of(newest)
        if self._probe.batch is not None:
            self._subject.read(self._probe.batch)
        saved = state["diagnostics"]  # without those that were switched off
        self._diagnostics = [each for each in self._diagnostics if type(each).__name__ in saved]
        for each in self._diagnostics:
            each.restore(saved[type(each).__name__])

    def _is_due(self, update: int) -> bool:
        """Return whether a measurement follows the next update."""
        return (update + 1) % self._every == 0 and self.is_affordable

    def _measure_tier(self, tier: Cost, measured: Measurement, is_last: bool) -> None:
        for diagnostic in [each for each in self._diagnostics if each.cost == tier]:
            if self.num_measured[tier] % diagnostic.period and not is_last:
                continue
            switch_off = partial(self._diagnostics.remove, diagnostic)
            with self._guard(type(diagnostic).__name__, measured.update, switch_off):
                measured.metrics.update(diagnostic.measure(measured.moment))
                if measured.update >= self._arrays_due:
                    for key, arrays in diagnostic.arrays(measured.moment).items():
                        self._log.arrays(key, measured.step, arrays)
                        self._arrays_due = 2 * measured.update

    def _write(self, measured: Measurement) -> None:
        self._log.metrics(measured.step, measured.metrics | {"update": measured.update})
        self._logged_at = measured.update

    def _switch_off_what_cannot_be(self, batch: Transitions) -> None:
        reasons = {each: self._subject.why_off(each, batch) for each in self._diagnostics}
        self._diagnostics = [each for each, reason in reasons.items() if not reason]
        if self._subject.measured_otherwise:
            self._log.note({"measured_otherwise": self._subject.measured_otherwise})
        if off := {type(each).__name__: reason for each, reason in reasons.items() if reason}:
            self._log.note({"diagnostics_off": off})
