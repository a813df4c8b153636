"""The time that measuring may take: a share of the run's own."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdiverge.errors import InvalidValueError

# The light tier's part of the allowance, where there are dearer tiers, and where it is alone.
LIGHT_SHARE, LIGHT_SHARE_ALONE = 1 / 2, 3 / 20
OTHER_THAN_LIGHT = (
    "standard",
    "full",
    "keep",
    "batch",
    "audit",
    "audit batch",
    "foresight",
    "foresight batch",
    "look",
)  # charged, but not to the light tier
MEASURING_SHARE = 1 / 4  # of the allowance, whatever the calls between measurements take
AUDIT_SHARE = 1 / 4  # of the allowance, which audits may take whatever measurements took
LOOK_SHARE = 1 / 8  # of the allowance of the whole run, which early looks may take at once
FORESIGHT_SHARE = 1 / 2  # of it, which running ahead may take at once
AT_ONCE_SHARE = 5 / 8  # of it, which that may take with all else that is done once, and calls
AT_ONCE = ("foresight", "foresight batch", "look")  # tiers that are paid for by the whole run
START = 2.0  # seconds of a run, that each is expected to last at least
FIRST = {"standard": 12, "full": 40}  # updates of the run, that the first of a tier takes or so


def check_share(share: float | None) -> None:
    """Raise an InvalidValueError unless ``share`` is a share of the run's own time, or None."""
    if share is not None and not 0 < share <= 10:
        raise InvalidValueError(
            "max_overhead must lie in (0, 10], as a share of the run's own time, or be None",
            got=share,
            remedy="0.05 allows 5 %.",
        )


class Budget:
    """The time spent on measuring, kept below a share of the run's own time.

    Args:
        share: The share, such as 0.05; None: no limit, so that the schedule is deterministic.
        clock: Seconds; another clock makes this testable.
        light_share: Of the share, what the light tier takes at most, with logging.
        num_updates: Returns the updates that the run has made.
        length: Returns how many it makes in all; None: not known.

    Attributes:
        now: The clock.
        calls: Seconds at updates that nothing is measured at.
    """

    def __init__(
        self,
        share: float | None,
        clock: Callable[[], float] = time.perf_counter,
        light_share: float = LIGHT_SHARE,
        num_updates: Callable[[], int] = lambda: 0,
        length: Callable[[], int | None] = lambda: None,
    ) -> None:
        check_share(share)
        self.share, self.light_share = share, light_share
        self._num_updates, self._length = num_updates, length
        self._set_up: dict[str, float] = {}  # what the first time of each tier cost, in seconds
        self.restart(clock)

    def restart(self, clock: Callable[[], float]) -> None:
        """Count anew from now on, by another clock; what has been set up stays so."""
        self.now, self.calls = clock, 0.0
        self._start, self._from = clock(), (self._num_updates(), 0.0)
        self._looks = (0, math.inf)  # how many were early, and the seconds of the shortest
        self._costs: dict[str, float] = {}  # the last cost of each tier, in seconds
        self._spent: dict[str, float] = {}  # what each tier has cost, in seconds
        self._set_up = dict.fromkeys(self._set_up, 0.0)

    @property
    def spent(self) -> float:
        """Return the seconds spent by the monitor so far."""
        return self.calls + sum(self._set_up.values()) + sum(self._spent.values())

    @property
    def own(self) -> float:
        """Return the seconds that the run itself took."""
        return self.now() - self._start - self.spent

    @property
    def overhead(self) -> float:
        """Return what was spent, as a share of the run's own time."""
        own = self.own
        return self.spent / own if own > 0 else 0.0

    def allows(self, tier: str) -> bool:
        """Return whether one more measurement of this tier fits, judging by the last one's cost.

        The light tier leaves some of the share for the others. Calls that measure nothing are paid
        first, but a part of the allowance is kept for measuring. What is done once, or at once, is
        paid bit by bit; the first measurement of a dear tier waits until the whole run can pay it.
        """
        if self.share is None:
            return True
        own, set_up = self.own, self._set_up.get(tier)
        whole = self._whole(own)
        if set_up is None:
            first = FIRST.get(tier, 0) * self._each(own) if self._num_updates() else 0.0
            return first == 0 or self.spent + first <= self._part * whole
        cost = self._costs.get(tier, set_up / 2)  # the first time takes longer
        paid = own / whole
        due = (s * (paid if name in AT_ONCE else 1.0) for name, s in self._spent.items())
        all_due = sum(due) + paid * sum(self._set_up.values()) + cost
        limit = self._part * own
        allowance = max(limit - self.calls, MEASURING_SHARE * limit)
        if tier != "light":
            return all_due <= allowance
        mine = cost + sum(s for name, s in self._spent.items() if name not in OTHER_THAN_LIGHT)
        is_within = self._is_light or mine <= self.light_share * allowance
        return is_within and (all_due <= allowance or mine <= MEASURING_SHARE * limit)

    def allows_audit(self) -> bool:
        """Return whether one more audit fits into the share that audits have for themselves.

        What they take is taken from the measurements, which look at all that was spent.
        """
        if self.share is None or "audit" not in self._costs:
            return True
        limit = AUDIT_SHARE * self._part * self.own
        return self._spent["audit"] + self._costs["audit"] <= limit

    def wait_for_look(self) -> int:
        """Return the updates until one more early look fits into the share that they have.

        Each counts as much as the shortest: one that another process has interrupted, on a busy
        machine, would end all looks for a long time.
        """
        num, least = self._looks
        if self.share is None or not num:
            return 0
        own, share = self.own, LOOK_SHARE * self._part
        lacking = (num + 1) * least - share * self._whole(own)
        each = share * self._each(own)
        return math.ceil(lacking / each) if lacking > 0 and each > 0 else 0

    def steps_ahead(self) -> float:
        """Return how many updates copies may make now, of what the whole run may spend on them.

        One costs as much as an update of the run's own. Measurements pay for them bit by bit. A run
        whose length nobody says is as long as it is so far, or ``START`` seconds.
        """
        if self.share is None:
            return math.inf
        update, own = self._num_updates(), self.own
        each = self._each(own)
        if each <= 0:
            return 0.0
        length = max(self._length() or START / each, update)
        mine = self._spent.get("foresight", 0.0) + self._set_up.get("foresight", 0.0)
        left = FORESIGHT_SHARE * self._part * length - mine / each
        if update < 2:  # nobody knows yet how long an update takes
            return left
        at_once = sum(self._set_up.values()) + sum(self._spent.get(name, 0.0) for name in AT_ONCE)
        taken = (at_once + self.calls * length / update) / each
        return min(left, AT_ONCE_SHARE * self._part * length - taken)

    @property
    def _is_light(self) -> bool:
        """Return whether the light tier is alone."""
        return self.light_share == LIGHT_SHARE_ALONE

    @property
    def _part(self) -> float:
        """Return the share that all together may take."""
        assert self.share is not None
        return self.share * (self.light_share if self._is_light else 1.0)

    def _each(self, own: float) -> float:
        """Return the seconds of an update; what was done before the first one is left out."""
        update, (since, before) = self._num_updates(), self._from
        if since == 0 < update:
            since, before = self._from = update, own
        return (own - before) / (update - since) if update > since else own / max(1, update)

    def _whole(self, own: float) -> float:
        """Return the seconds that the run is known to take in all, or to have taken."""
        left = max(0, (self._length() or 0) - self._num_updates())
        return max(own + left * self._each(own), START)

    @contextmanager
    def charge(self, tier: str) -> Iterator[None]:
        """Time what happens inside as a cost of this tier.

        The first time imports and warms up; the whole run pays for it.
        """
        begin = self.now()
        try:
            yield
        finally:
            seconds = self.now() - begin
            if tier in self._set_up:
                self._costs[tier] = seconds
                self._spent[tier] = self._spent.get(tier, 0.0) + seconds
                if tier == "look":
                    num, least = self._looks
                    self._looks = num + 1, min(least, seconds)
            else:
                self._set_up[tier] = seconds
