"""When to measure: every so many updates, and no more than the run's time allows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdiverge.errors import InvalidValueError

LIGHT_BESIDE, LIGHT_ALONE = 1 / 2, 3 / 20  # of what is allowed, for the light tier
BESIDE = ("standard", "full", "keep", "batch")  # charged, but not to the light tier's part
KEPT = 1 / 4  # of the allowance: for measuring, however much the calls between measurements take


def check_share(share: float | None) -> None:
    """Raise an InvalidValueError unless ``share`` is a share of the run's own time, or None."""
    if share is not None and not 0 < share <= 10:
        raise InvalidValueError(
            "max_overhead must lie in (0, 10], as a share of the run's own time, or be None",
            got=share,
            remedy="0.05 allows 5 %.",
        )


class Budget:
    """Keeps the time spent on measuring below a share of the run's own time.

    Args:
        share: The share, such as 0.05; None: no limit, so that the schedule is deterministic.
        clock: Seconds; another clock makes this testable.
        light: Of the share, what the light tier takes at most, with reading batches and logging.
    """

    def __init__(
        self,
        share: float | None,
        clock: Callable[[], float] = time.perf_counter,
        light: float = LIGHT_BESIDE,
    ) -> None:
        check_share(share)
        self.share, self.light = share, light
        self._clock = clock
        self._start = clock()
        self._costs: dict[str, float] = {}  # the last cost of each tier, in seconds
        self._spent: dict[str, float] = {}  # what each tier has cost, in seconds
        self.calls = 0.0  # seconds at updates that nothing is measured at
        self._set_up: dict[str, float] = {}  # what the first time of each tier cost, in seconds

    @property
    def spent(self) -> float:
        """Seconds spent by the monitor so far."""
        return self.calls + sum(self._set_up.values()) + sum(self._spent.values())

    def now(self) -> float:
        """The clock."""
        return self._clock()

    @property
    def overhead(self) -> float:
        """What was spent, as a share of the run's own time."""
        own = self._clock() - self._start - self.spent
        return self.spent / own if own > 0 else 0.0

    def allows(self, tier: str) -> bool:
        """Whether one more measurement of this tier fits, judging by the last one's cost.

        The light tier leaves some of the share for the others. Calls that measure nothing are paid
        first, but a part of the allowance is kept for measuring.
        """
        if self.share is None or tier not in self._costs:
            return True
        own = self._clock() - self._start - self.spent
        limit, spent = self.share * own, self._spent
        if tier == "light":
            limit *= self.light
            spent = {name: seconds for name, seconds in spent.items() if name not in BESIDE}
        allowance = max(limit - self.calls, KEPT * limit)
        return sum(spent.values()) + self._costs[tier] <= allowance

    @contextmanager
    def charge(self, tier: str) -> Iterator[None]:
        """Time what happens inside as a cost of this tier.

        The first time imports and warms up, often a hundred times what it takes from then on; it is
        not held against the share, so that a run is watched closely from its start.
        """
        begin = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - begin
            if tier in self._set_up:
                self._costs[tier] = seconds
                self._spent[tier] = self._spent.get(tier, 0.0) + seconds
            else:
                self._set_up[tier] = seconds
