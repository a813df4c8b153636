"""Copies of a watched run that train ahead of it, now and then; they call divergence beforehand."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from qdiverge.errors import CallError, QDivergeError
from qdiverge.monitor.budget import Budget
from qdiverge.monitor.foresight.at_hand import Cast, CopiesAtHand, Situation
from qdiverge.monitor.foresight.dates import Dates, first_date
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.foresight.how_far import Reach
from qdiverge.monitor.foresight.outlook import Forecast, look_ahead
from qdiverge.monitor.foresight.recent_batches import MOST
from qdiverge.monitor.foresight.replay_visits import rows_in
from qdiverge.monitor.foresight.timetable import FIRST
from qdiverge.monitor.guard import Guard
from qdiverge.monitor.options import OF_TARGET
from qdiverge.monitor.shown_batch import copy_of
from qdiverge.monitor.subject import Subject
from qdiverge.rehearsal.changes import Change

FEWEST = 16  # batches to collect for a look that no schedule foresaw


class Foresight:
    """What runs ahead of one run, on its own schedule.

    In the run's own time, as far as its budget allows. A copy is no faster than the run: computed
    beside it, what it has to say would come too late.

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
        budget.length = options.num_updates
        self.why_not = "" if options.is_on else "it was not asked for"
        self.latest: Forecast | None = None
        self.num_forecasts = 0
        self._copies = CopiesAtHand(subject, options)
        has_order = self._copies.order is not None
        first = first_date(options, has_order=has_order, is_live=not self.why_not_live)
        self._dates = Dates(first, budget)
        self.wake: float = 0.0
        self._set_wake()

    @property
    def is_off(self) -> bool:
        """Return whether no copy runs ahead any more."""
        return bool(self.why_not)

    @property
    def why_not_live(self) -> str:
        """Return why no copy of all of the run is made, environment and all; "": one is."""
        return self._copies.why_not_live

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
                self._copies.follow(shown, update, is_to_compare=update >= self._dates.own)
                if self._copies.why_not:
                    self.switch_off(self._copies.why_not)
            length, source = self.options.num_updates, self._copies.source
            is_due = update >= self._dates.next and not self.is_off
            if is_due and self._dates.have_time(update, length, source):
                with self._budget.charge("foresight"):
                    now = Situation(update, data, shown, last_move, limit())
                    forecast = self._run_ahead(now)
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
        self._dates.soon(update, self._copies.num_collected(FEWEST))
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
        self._copies.forget()
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
        collected = self._copies.num_collected(MOST)
        self.wake = math.inf if self.is_off else self._dates.next - collected

    def _run_ahead(self, now: Situation) -> Forecast | None:
        cast = self._copies.cast(now)
        if isinstance(cast, Cast) and cast.source == "live":
            try:
                return self._look(cast, now.update)
            except Exception as error:  # whatever somebody's environment may raise
                is_faithful = cast.is_faithful
                later = self._copies.do_without_live(error, now, is_faithful=is_faithful)
                cast = self._copies.of_data(cast.frozen, now) if later is None else later
        if self._copies.why_not:
            self.switch_off(self._copies.why_not)
        elif isinstance(cast, Cast):
            return self._look(cast, now.update)
        else:
            self._dates.own = cast
        return None

    def _look(self, cast: Cast, update: int) -> Forecast | None:
        """Run ahead as far as the time allows; set when that is due again."""
        options, dates, is_second = self.options, self._dates, self._dates.is_second(update)
        is_growing = cast.source == "replay"
        dates.after(update, cast.source)
        num_rows = rows_in(options.data, options.num_rows) if is_growing else None
        reach = Reach(
            update, options.num_updates, dates.steps(update), num_rows, self._copies.batch_size
        )
        if is_growing and reach.plan(cast) is None:  # the replay is too small yet
            dates.own = max(FIRST, 2 * update)
        look = reach.look(cast)
        if look is None:
            return None
        forecast = look_ahead(
            look, update, () if is_growing and not is_second else options.remedies
        )
        if look.exact is not None:  # which is right as far as it went
            dates.be_sure_until(update + look.num_exact)
        return self._take(dates.weigh(forecast))

    def _take(self, forecast: Forecast) -> Forecast:
        self.latest, self.num_forecasts = forecast, self.num_forecasts + 1
        if self.options.data is None:
            self._copies.forget()
        if forecast.is_call and not (self.options.apply and forecast.setting):
            self.switch_off("it has called divergence")
        elif forecast.is_call:  # it becomes another run
            self._dates.begin_anew(forecast.update)
        return forecast
