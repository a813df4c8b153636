"""When copies run ahead of one run: at dates that multiply, and sooner where something is seen.

Where max|Q| has grown, where an alarm or a finding came, and halfway to a divergence that copies of
a replay foretell; not where a copy of the run itself has been further.
"""

import math
from typing import Any

from qdiverge.monitor.budget import Budget
from qdiverge.monitor.foresight.asked_again import AskedAgain
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.monitor.foresight.outlook import Forecast
from qdiverge.monitor.foresight.timetable import (
    FIRST,
    FIRST_OF_REPLAY,
    MANY,
    SHORTEST,
    Source,
    next_due,
)

PATIENCE = 64  # updates, and doublings of them: when to ask again whether enough is known
GROWN, LARGE = 2.0, 0.1  # growth of max|Q| since the last look ahead, and of the bound: look again


class Dates:
    """The updates after which copies are to run ahead.

    Args:
        first: The first of them.
        budget: The time that there is.

    Attributes:
        own: The next by the timetable, or by what was seen.
        sure_until: How far a copy of the run itself has been.

    >>> dates = Dates(0, Budget(None))
    >>> dates.after(0, "replay"); dates.see(0.1, 10.0, 3), dates.own
    (False, 128)
    >>> dates.see(3.0, 10.0, 5); dates.soon(5, wait=0); dates.own
    True
    5
    """

    def __init__(self, first: int, budget: Budget) -> None:
        self.own, self.sure_until = first, 0
        self._budget, self._asked_again = budget, AskedAgain()
        self._size = math.inf  # max|Q| at the last look ahead

    @property
    def next(self) -> float:
        """Return the next of all."""
        return min(self.own, self._asked_again.due)

    def is_second(self, update: int) -> bool:
        """Return whether copies that foretold divergence are asked again now."""
        return self._asked_again.is_due(update)

    def after(self, update: int, source: Source | None = None) -> None:
        """Set the next by the timetable, of growing data a later one."""
        self.own = next_due(update, FIRST_OF_REPLAY if source == "replay" else FIRST)

    def see(self, size: float, bound: float, update: int) -> bool:
        """Take note of max|Q|; return whether it has grown so much that copies are to be asked.

        Args:
            size: max|Q| as it is.
            bound: The most that any policy can earn.
            update: Updates made.
        """
        if self._size == math.inf:
            self._size = size
        has_grown = max(GROWN * self._size, LARGE * bound) < size < bound
        if has_grown:
            self._size = size
        return has_grown

    def soon(self, update: int, wait: int) -> None:
        """Look ahead before the next date, unless a copy of the run itself was right that far."""
        if update >= self.sure_until:
            self.own = min(self.own, update + wait)

    def be_sure_until(self, update: int) -> None:
        """Take note of how far a copy of the run itself is right; none is due before."""
        self.sure_until = update
        self.own = max(self.own, update)

    def have_time(self, update: int, length: int | None, source: Source) -> bool:
        """Return whether there is time for the shortest look; set when to ask again: soon."""
        shortest = SHORTEST if length is None else min(SHORTEST, length - update)
        if self.is_second(update) or self._budget.steps_ahead(update) >= shortest:
            return True
        self.after(update, source)
        self.own = min(self.own, max(FIRST, 2 * update))
        return False

    def steps(self, update: int) -> float:
        """Return how many updates copies may make: what has been begun is brought to its end."""
        steps = self._budget.steps_ahead(update)
        return max(steps, MANY) if self.is_second(update) else steps

    def weigh(self, forecast: Forecast) -> Forecast:
        """Return a forecast as it counts; one of a replay is asked again."""
        return self._asked_again.weigh(forecast)

    def begin_anew(self, update: int) -> None:
        """Begin again: the run has become another."""
        self.sure_until = 0
        self.after(update)

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        return {"due": self.own, "again": list(self._asked_again.updates)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.own = state["due"]
        self._asked_again.updates = list(state.get("again", []))


def first_date(options: ForesightOptions, *, has_order: bool, is_live: bool) -> int:
    """Return the first date: later where batches must come, or an order be seen to be right."""
    return next_due(0) if options.data is None and not is_live else int(has_order)
