"""When to measure: every so many updates, and no more than the run's time allows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdiverge.errors import InvalidValueError

LIGHT_BESIDE, LIGHT_ALONE = 1 / 2, 1 / 5  # of what is allowed, for the light tier
DEAR = ("standard", "full", "keep")  # what else is charged comes with the light tier


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

    @property
    def spent(self) -> float:
        """Seconds spent on measuring so far."""
        return sum(self._spent.values())

    @property
    def overhead(self) -> float:
        """What was spent, as a share of the run's own time."""
        own = self._clock() - self._start - self.spent
        return self.spent / own if own > 0 else 0.0

    def allows(self, tier: str) -> bool:
        """Whether one more measurement of this tier fits, judging by the last one's cost.

        The light tier leaves some of the share for the others.
        """
        if self.share is None or tier not in self._costs:
            return True
        own = self._clock() - self._start - self.spent
        cost = self._costs[tier]
        if tier == "light":
            spent = sum(seconds for name, seconds in self._spent.items() if name not in DEAR)
            return spent + cost <= self.light * self.share * own
        return self.spent + cost <= self.share * own

    @contextmanager
    def charge(self, tier: str) -> Iterator[None]:
        """Time what happens inside as a cost of this tier."""
        begin = self._clock()
        try:
            yield
        finally:
            self._costs[tier] = self._clock() - begin
            self._spent[tier] = self._spent.get(tier, 0.0) + self._costs[tier]
