"""Copies of a watched run that train ahead of it, now and then; they call divergence beforehand."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from qdiverge.diagnostics.noisy_weights import noisy_layers
from qdiverge.diagnostics.quiet import needs_quiet
from qdiverge.errors import CallError, QDivergeError
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.foresight.dates import PATIENCE, Dates, first_date
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.foresight.judging import Look
from qdiverge.monitor.foresight.outlook import Forecast, is_stacked, look_ahead
from qdiverge.monitor.foresight.own_order import OwnOrder
from qdiverge.monitor.foresight.recent_batches import MOST, RecentBatches
from qdiverge.monitor.foresight.replay_visits import rows_in, updates_within
from qdiverge.monitor.foresight.staging import (
    in_own_order,
    is_known,
    rule_of_copies,
    stages,
    why_never,
)
from qdiverge.monitor.foresight.timetable import (
    FIRST,
    Plan,
    Source,
    exact_updates,
    plan_at,
)
from qdiverge.monitor.foresight.whole_run import GoingOn, live_stage
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.options import OF_TARGET
from qdiverge.monitor.shown_batch import Shown, copy_of
from qdiverge.monitor.subject import Subject
from qdiverge.rehearsal.changes import Change
from qdiverge.rehearsal.learner import Learner
from qdiverge.rehearsal.stage import Stage

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
        why_not_live: Why no copy of all of the run is made, environment and all; "": one is.
        latest: The last forecast.
        num_forecasts: How many there were.
    """

    def __init__(
        self, subject: Subject, guard: Guard, budget: Budget, options: ForesightOptions
    ) -> None:
        self.subject, self.options = subject, options
        self._guard, self._budget = guard, budget
        budget.length = options.num_updates
        self.why_not = "" if options.is_on else "it was not asked for"
        self.latest: Forecast | None = None
        self.num_forecasts = 0
        self.why_not_live = "" if options.live is not None else "no copy of all of it can be made"
        self._order: OwnOrder | None = None
        is_noisy = any(map(noisy_layers, subject.networks))  # which the run draws when it likes
        if options.fixed and callable(options.data) and not is_noisy:
            generators = options.of_copies.get("generators", ())
            self._order = OwnOrder(options.data, generators, subject.device)
        has_order = self._order is not None
        first = first_date(options, has_order=has_order, is_live=self._is_live)
        self._dates, self._recent = Dates(first, budget), RecentBatches()
        self._is_checked, self._why_not_frozen, self._batch_size = False, "", 1
        self.wake: float = 0.0
        self._set_wake()

    @property
    def is_off(self) -> bool:
        """Return whether no copy runs ahead any more."""
        return bool(self.why_not)

    @property
    def _is_live(self) -> bool:
        return not self.why_not_live

    @property
    def _has_data(self) -> bool:
        """Return whether nothing is to be collected before a look."""
        return self.options.data is not None or self._is_live

    @property
    def _source(self) -> Source:
        """Return what copies learn from where they are not of all of the run."""
        if self.options.data is None:
            return "batches"
        return "fixed data" if self.options.is_fixed else "replay"

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
        forecast: Forecast | None = None
        with self._guarded(update):
            with self._budget.charge("foresight batch"):
                shown = copy_of(data if read is None else read(data))
                self._batch_size = len(shown["rewards"])
                if not self._is_checked:
                    self._check(shown)
                if self.options.data is None:
                    self._recent.keep(shown)
                if self._order is not None and update >= self._dates.own:
                    self._order.compare(shown, update)
                elif self._order is not None:
                    self._order.foretell(update, partial(self._train_copy, shown))
            is_due = update >= self._dates.next and not self.is_off
            if is_due and self._dates.have_time(update, self.options.num_updates, self._source):
                with self._budget.charge("foresight"):
                    forecast = self._run_ahead(update, data, shown, last_move, limit())
        self._set_wake()
        return forecast

    def look_at(self, size: float, bound: float, update: int) -> None:
        """Look ahead soon where max|Q| has grown much since the last time.

        Args:
            size: max|Q| as it is.
            bound: The most that any policy can earn.
            update: Updates made.
        """
        if self._dates.see(size, bound, update):
            self.look_soon(update)

    def look_soon(self, update: int) -> None:
        """Look ahead before the next date: something was found, or has grown.

        Not where a copy of the run itself has been further: it was right, whatever is found.

        Args:
            update: Updates made.
        """
        self._dates.soon(update, int(self._order is not None) if self._has_data else FEWEST)
        self._set_wake()

    def summary(self) -> dict[str, Any]:
        """Return what is known, for ``run.json``."""
        latest = None if self.latest is None else self.latest.numbers
        noted = {"num": self.num_forecasts, "why_not": self.why_not, "latest": latest}
        return noted | ({"why_not_live": self.why_not_live} if self.options.live else {})

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        return {"num": self.num_forecasts, "why_not": self.why_not} | self._dates.state()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.num_forecasts = state["num"]
        self.why_not = self.why_not or state["why_not"]
        self._dates.restore(state)
        self._set_wake()

    def took(self, change: Change) -> None:
        """Take note that the run was changed as a remedy says."""
        of_target = {name: change[name] for name in OF_TARGET if name in change}
        self.subject.seen = self.subject.seen | of_target

    def tell_length(self, num_updates: int | None) -> None:
        """Say how many updates the run makes in all, where that is told only once it begins."""
        if self.options.num_updates is None:
            self.options = replace(self.options, num_updates=num_updates)
            self._budget.length = num_updates

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
            except CallError:
                raise
            except QDivergeError as error:
                self.switch_off(f"{error}")

    def _set_wake(self) -> None:
        if self.is_off:
            self.wake = math.inf
        else:
            self.wake = self._dates.next - (
                int(self._order is not None) if self._has_data else MOST
            )

    def _check(self, shown: Shown) -> None:
        """See from the first batch whether copies can be faithful at all."""
        is_critic = shown["actions"].is_floating_point() and "next_actions" not in shown
        self._is_checked = True
        self._why_not_frozen = why_never(self.subject, self.options, is_critic=is_critic)
        if self._why_not_frozen and not self._is_live:
            self.switch_off(self._why_not_frozen)

    def _run_ahead(
        self, update: int, data: Any, shown: Shown, last_move: int, limit: float
    ) -> Forecast | None:
        subject, options = self.subject, self.options
        rule = rule_of_copies(subject, options)
        is_faithful = not self._why_not_frozen and is_known(rule, subject, options)
        if not is_faithful and not self._is_live:
            self._dates.own = max(PATIENCE, 2 * update)
            return None
        run: GoingOn | None = None
        if self._is_live and options.live is not None:
            try:
                run = options.live(data)
            except Exception as error:  # whatever somebody's environment may raise
                if not self._goes_on_without(error, update, is_faithful=is_faithful):
                    return None
            else:
                if run is None:  # asked before anything is copied: often many updates in a row
                    self._dates.own = update + 1
                    return None
        period = rule.target_period or 1
        since_copy = (update - max(0, last_move - 1)) % period
        at_hand = options.data if options.data is not None else list(self._recent.batches)
        situation: dict[str, Any] = {"since_copy": since_copy, "limit": limit}
        try:
            frozen = stages(subject, options, at_hand, **situation)
        except QDivergeError as error:
            if not self._is_live:
                raise
            self._why_not_frozen, is_faithful = f"{error}", False
            frozen = stages(subject, options, at_hand, **situation, is_learnt=False)
        if frozen[0].is_beyond:  # nothing left to foresee
            self._dates.after(update)
            return None
        if run is not None:
            try:
                whole = live_stage(frozen[0], run)
                return self._look(update, "live", frozen, whole, is_faithful=is_faithful)
            except Exception as error:
                if not self._goes_on_without(error, update, is_faithful=is_faithful):
                    return None
        exact: Stage | None = None
        if self._order is not None and self._order.is_seen and len(frozen) == 1:
            exact = in_own_order(frozen[0], shown)
        return self._look(update, self._source, frozen, exact)

    def _goes_on_without(self, error: Exception, update: int, *, is_faithful: bool) -> bool:
        """Ask for no copy of all of the run any more; return whether others can be made now."""
        self.why_not_live = f"{type(error).__name__}: {error}"
        if self._why_not_frozen:
            self.switch_off(self._why_not_frozen)
        if self.options.data is None or not is_faithful:  # what there is to know comes later
            self._dates.after(update)
            return False
        return True

    def _train_copy(self, shown: Shown) -> None:
        """Let a copy learn from a batch, where that draws as the run's own update does."""
        if not any(map(needs_quiet, self.subject.networks)) or self.is_off:
            return
        (stage, *_) = stages(self.subject, self.options, [shown], since_copy=0, limit=0.0)
        learner = Learner(stage.original)
        with torch.enable_grad():
            learner.learn(stage.batches.given[0])

    def _look(
        self,
        update: int,
        source: Source,
        frozen: Sequence[Stage],
        exact: Stage | None,
        *,
        is_faithful: bool = True,
    ) -> Forecast | None:
        """Run ahead as far as the time allows; set when that is due again."""
        length, is_second = self.options.num_updates, self._dates.is_second(update)
        self._dates.after(update, source)
        steps = self._dates.steps(update)
        plan, num_exact = plan_at(update, length, source), 0
        if plan is not None and source == "replay":
            size = rows_in(self.options.data, self.options.num_rows)
            plan = plan.cut(updates_within(size, self._batch_size, plan.num_updates))
            if plan is None:  # it is too small yet
                self._dates.own = max(FIRST, 2 * update)
        if plan is not None and exact is not None:
            most = steps if source == "live" else steps / 2
            cut = Plan(exact_updates(update, length, source)).cut(most)
            exact, num_exact = (None, 0) if cut is None else (exact, cut.num_updates)
        if plan is not None and source != "live":
            each = STACKED if is_stacked(frozen[0]) else plan.num_orders
            plan = plan.cut((steps - num_exact) / each)
        if plan is None or (source == "live" and exact is None):  # the end, or too little time
            return None
        left = None if length is None else length - update
        look = Look(source, frozen, plan, exact, num_exact, is_faithful, left)
        is_to_be_asked_again = source == "replay" and not is_second
        remedies = () if is_to_be_asked_again else self.options.remedies
        forecast = look_ahead(look, update, remedies)
        if exact is not None:  # which is right as far as it went
            self._dates.be_sure_until(update + num_exact)
        return self._take(forecast)

    def _take(self, forecast: Forecast) -> Forecast:
        forecast = self._dates.weigh(forecast)
        self.latest, self.num_forecasts = forecast, self.num_forecasts + 1
        if self.options.data is None:
            self._recent.clear()
        if forecast.is_call and not (self.options.apply and forecast.setting):
            self.switch_off("it has called divergence")
        elif forecast.is_call:  # it becomes another run
            self._dates.begin_anew(forecast.update)
        return forecast
