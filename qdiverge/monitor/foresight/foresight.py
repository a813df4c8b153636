"""Copies of a watched run that train ahead of it, now and then; they call divergence beforehand."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from qdiverge.errors import QDivergeError
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.foresight.outlook import NUM_ORDERS, Forecast, is_stacked, look_ahead
from qdiverge.monitor.foresight.recent import MOST, RecentBatches
from qdiverge.monitor.foresight.staging import is_known, rule_of_copies, stages, why_never
from qdiverge.monitor.foresight.timetable import next_due, plan_at
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.shown_batch import copy_of
from qdiverge.monitor.subject import Subject

PATIENCE = 64  # updates, and doublings of them: when to ask again whether enough is known
GROWN, LARGE = 2.0, 0.1  # growth of max|Q| since the last look ahead, and of the bound: look again
STACKED = 1.5  # updates of the run, that one of all copies costs in one computation
FEWEST = 16  # batches to collect for a look that no schedule foresaw


class Foresight:
    """What runs ahead of one run, on its own schedule.

    In the run's own time, as far as its budget allows. A copy
    is no faster than the run: computed beside it, what it has to say would come too late.

    Args:
        subject: The run.
        guard: Of errors.
        budget: The time that it may take; without a limit all is computed at once, in order.
        options: What is said of it.

    Attributes:
        wake: The update from which ``show`` is to be called.
        why_not: Why it is off; "": it is not.
        latest: The last forecast.
        num_forecasts: How many there were.
    """

    def __init__(
        self, subject: Subject, guard: Guard, budget: Budget, options: ForesightOptions
    ) -> None:
        self.subject, self.options = subject, options
        self._guard, self._budget = guard, budget
        self.why_not = "" if options.is_on else "it was not asked for"
        self.latest: Forecast | None = None
        self.num_forecasts = 0
        self._due = 0 if options.data is not None else next_due(0)
        self._recent = RecentBatches()
        self._size = math.inf  # max|Q| at the last look ahead
        self._is_checked = False
        self.wake: float = 0.0
        self._set_wake()

    @property
    def is_off(self) -> bool:
        """Return whether no copy runs ahead any more."""
        return bool(self.why_not)

    def show(
        self,
        data: Any,
        read: Callable[[Any], Any] | None,
        update: int,
        *,
        last_move: int,
        limit: Callable[[], float],
    ) -> Forecast | None:
        """Take note of a training batch; run ahead where that is due; return a forecast made.

        Args:
            data: The batch.
            read: Makes transitions of it.
            update: Optimiser updates made before.
            last_move: The update before which the target was last seen to have moved; 0: not yet.
            limit: Returns the size from which the values count as divergent, as it is now.
        """
        told: Forecast | None = None
        with self._guarded(update):
            if not self._is_checked:
                self._check(data, read)
            if self.options.data is None and not self.is_off:
                with self._budget.charge("foresight batch"):
                    self._recent.keep(copy_of(data if read is None else read(data)))
            if update >= self._due and not self.is_off:
                told = self._run_ahead(update, last_move, limit())
        self._set_wake()
        return told

    def look_at(self, size: float, bound: float, update: int) -> None:
        """Look ahead soon where max|Q| has grown much since the last time.

        Args:
            size: max|Q| as it is.
            bound: The most that any policy can earn.
            update: Updates made.
        """
        if self._size == math.inf:
            self._size = size
        if self.is_off or not GROWN * self._size < size < bound:
            return
        if size > LARGE * bound:
            self._size = size
            self._due = min(self._due, update + (0 if self.options.data is not None else FEWEST))
            self._set_wake()

    def summary(self) -> dict[str, Any]:
        """Return what is known, for ``run.json``."""
        latest = None if self.latest is None else self.latest.evidence
        return {"num": self.num_forecasts, "why_not": self.why_not, "latest": latest}

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        return {"due": self._due, "num": self.num_forecasts, "why_not": self.why_not}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self._due, self.num_forecasts = state["due"], state["num"]
        self.why_not = self.why_not or state["why_not"]
        self._set_wake()

    def tell_length(self, num_updates: int | None) -> None:
        """Say how many updates the run makes in all, where that is told only once it begins."""
        if self.options.num_updates is None:
            self.options = replace(self.options, num_updates=num_updates)

    def switch_off(self, reason: str) -> None:
        """Run ahead no more."""
        self.why_not = self.why_not or reason
        self.close()

    def close(self) -> None:
        """Let go of the batches."""
        self._recent.clear()
        self._set_wake()

    @contextmanager
    def _guarded(self, update: int) -> Iterator[None]:
        """Switch off at an error: by its name where it is one of ours, else with a warning."""
        with self._guard("running ahead", update, partial(self.switch_off, "it failed")):
            try:
                yield
            except QDivergeError as error:
                self.switch_off(f"{error}")

    def _set_wake(self) -> None:
        if self.is_off:
            self.wake = math.inf
        else:
            self.wake = self._due - (MOST if self.options.data is None else 0)

    def _check(self, data: Any, read: Callable[[Any], Any] | None) -> None:
        """See from the first batch whether copies can be faithful at all."""
        shown = copy_of(data if read is None else read(data))
        is_critic = shown["actions"].is_floating_point() and "next_actions" not in shown
        self._is_checked = True
        if reason := why_never(self.subject, self.options, is_critic=is_critic):
            self.switch_off(reason)

    def _run_ahead(self, update: int, last_move: int, limit: float) -> Forecast | None:
        subject, options = self.subject, self.options
        rule = rule_of_copies(subject, options)
        plan = plan_at(update, options.num_updates, is_fixed=options.is_fixed)
        if not is_known(rule, subject, options):
            self._due = max(PATIENCE, 2 * update)
            return None
        self._due = next_due(update)
        if plan is None:
            return None
        period = rule.target_period or 1
        since_copy = (update - max(0, last_move - 1)) % period
        data = options.data if options.data is not None else list(self._recent.batches)
        stage = stages(subject, options, data, since_copy=since_copy, limit=limit)
        steps = self._budget.steps_ahead(update, options.num_updates)
        plan = plan.cut(steps / (STACKED if is_stacked(stage[0]) else NUM_ORDERS))
        if plan is None or stage[0].is_beyond:  # too little time, or nothing left to foresee
            return None
        with self._budget.charge("foresight"):
            return self._take(look_ahead(stage, plan, update, options.remedies))

    def _take(self, forecast: Forecast) -> Forecast:
        self.latest, self.num_forecasts = forecast, self.num_forecasts + 1
        if self.options.data is None:
            self._recent.clear()
        if forecast.is_call and not (self.options.apply and forecast.setting):
            self.switch_off("it has called divergence")
        return forecast
