"""The time that measuring may take: a share of the run's own."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qdiverge.checks import check_between

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
LIGHT_LEAST = 1 / 8  # of the allowance, which the light tier may take whatever the others took
AUDIT_SHARE = 3 / 20  # of the allowance, which audits may take whatever measurements took
LOOK_SHARE = 1 / 5  # of the allowance, which looks at the values may take: half of it at once
FORESIGHT_SHARE = 1 / 2  # of the allowance of the whole run, which running ahead may take
FIRST_STEPS = 250  # updates of copies, at once whatever the run has made
DEAR = ("standard", "full")
AT_ONCE = (
    "foresight",
    "foresight batch",
    "look",
)  # tiers that are paid for by the whole run
PART_OF_FIRST = 1 / 2  # of what a tier cost the first time, which it is taken to cost again
USUAL_LENGTH = 10_000  # updates of a run, where nobody says how long it is


def check_overhead(share: float | None) -> float | None:
    """Return a share of the run's own time, or None, or raise as :func:`check_between`."""
    what = "It is a share of the run's own time: 0.05 allows 5 %, None whatever it takes."
    return None if share is None else check_between("max_overhead", share, 0, 10, "(]", what)


class Budget:
    """The time spent on measuring, kept below a share of the run's own time.

    Args:
        share: The share, such as 0.05; None: no limit, so that the schedule is deterministic.
        clock: Seconds; another clock makes this testable.
        light_share: Of the share, what the light tier takes at most, with logging.

    Attributes:
        length: Updates that the run makes in all; None: not known.
        num_updates: Returns how many it has made; None: what the whole run pays is due at once.
        now: The clock.
        calls: Seconds at updates that nothing is measured at.
    """

    def __init__(
        self,
        share: float | None,
        clock: Callable[[], float] = time.perf_counter,
        light_share: float = LIGHT_SHARE,
    ) -> None:
        self.share, self.light_share = check_overhead(share), light_share
        self.length: int | None = None
        self.num_updates: Callable[[], int] | None = None
        self._set_up: dict[str, float] = {}  # what the first time of each tier cost, in seconds
        self.restart(clock)

    def restart(self, clock: Callable[[], float]) -> None:
        """Count anew from now on, by another clock; what has been set up stays so."""
        self.now, self.calls = clock, 0.0
        self._start = clock()
        self._costs: dict[str, float] = {}  # the last cost of each tier, in seconds
        self._spent: dict[str, float] = {}  # what each tier has cost, in seconds
        self._set_up = dict.fromkeys(self._set_up, 0.0)

    @property
    def spent(self) -> float:
        """Return the seconds spent by the monitor so far."""
        return self.calls + sum(self._set_up.values()) + sum(self._spent.values())

    @property
    def overhead(self) -> float:
        """Return what was spent, as a share of the run's own time."""
        own = self.now() - self._start - self.spent
        return self.spent / own if own > 0 else 0.0

    def allows(self, tier: str) -> bool:
        """Return whether one more measurement of this tier fits, judging by the last one's cost.

        The light tier leaves some of the share for the others, which leave a little to it. Calls
        that measure nothing are paid first, but a part of the allowance is kept for measuring.
        """
        if self.share is None or (cost := self._next_cost(tier)) is None:
            return True
        own = self.now() - self._start - self.spent
        limit, by_now = self.share * own, self._part()
        due = {name: s * (by_now if name in AT_ONCE else 1.0) for name, s in self._spent.items()}
        later = cost + by_now * sum(self._set_up.values())
        left = self._left_by_calls(limit)
        if tier != "light":
            return sum(due.values()) + later <= left
        # beside what cannot wait; the dear tiers can
        fits = sum(s for name, s in due.items() if name not in DEAR) + later <= left
        own_part = sum(s for name, s in due.items() if name not in OTHER_THAN_LIGHT) + later
        is_within = own_part <= self._left_by_calls(self.light_share * limit)
        return is_within and (fits or own_part <= LIGHT_LEAST * left)

    def _left_by_calls(self, limit: float) -> float:
        return max(limit - self.calls, MEASURING_SHARE * limit)

    def allows_audit(self) -> bool:
        """Return whether one more audit fits into the share that audits have for themselves.

        What they take is taken from the measurements, which look at all that was spent.
        """
        if self.share is None or (cost := self._next_cost("audit")) is None:
            return True
        own = self.now() - self._start - self.spent
        return self._spent.get("audit", 0.0) + cost <= AUDIT_SHARE * self._share_at_once(own) * own

    def _next_cost(self, tier: str) -> float | None:
        """Return what one more is taken to cost: the last, or a part of the first; None: unknown.

        The first imports and warms up, too. The light tier's says too little of the next.
        """
        first = None if tier == "light" else self._set_up.get(tier)
        return self._costs.get(tier, None if first is None else PART_OF_FIRST * first)

    def looks_apart(self, update: int) -> float:
        """Return the updates between two looks at the values for these to keep to their part.

        Half of what they may take in the whole run they may take as soon as they like: values blow
        up early as a rule.

        Args:
            update: Updates that the run has made.
        """
        own = self.now() - self._start - self.spent
        if self.share is None or own <= 0:
            return 0.0
        cost, each = self._costs.get("look", 0.0), own / max(1, update)
        half = LOOK_SHARE / 2 * self._share_at_once(own)  # of an update, at each of them
        at_once = half * each * self._length(update)
        is_left = self._spent.get("look", 0.0) + cost <= at_once + half * own
        return 0.0 if is_left else cost / (half * each)

    def steps_ahead(self, update: int) -> float:
        """Return how many updates copies may make now, of what the whole run may spend on them.

        One costs as much as an update of the run's own. Measurements pay for them bit by bit.
        Values blow up early as a rule, so the first 250 may be made at once, and half of the
        others; the rest come with the run, for what grows late.

        Args:
            update: Updates that the run has made.
        """
        if self.share is None:
            return math.inf
        own = self.now() - self._start - self.spent
        spent = self._spent.get("foresight", 0.0) * max(1, update) / own if own > 0 else 0.0
        length = self._length(update)
        whole = FORESIGHT_SHARE * self._share_at_once(own) * length
        first = min(whole, FIRST_STEPS + max(0.0, whole - FIRST_STEPS) / 2)
        return first + (whole - first) * update / length - spent

    def _part(self) -> float:
        """Return which part of the whole run is made, and so of what it pays is due."""
        if self.num_updates is None:
            return 1.0
        return (update := self.num_updates()) / self._length(update)

    def _length(self, update: int) -> int:
        return max(self.length or USUAL_LENGTH, update)

    def _share_at_once(self, own: float) -> float:
        """Return the share of the run's own time that its calls leave to what is paid by it all."""
        share = self._of_tiers()
        return max(share - self.calls / own, MEASURING_SHARE * share) if own > 0 else share

    def _of_tiers(self) -> float:
        """Return the share of the run's own time for all that the tiers in use may take."""
        assert self.share is not None
        return self.share * (self.light_share if self.light_share == LIGHT_SHARE_ALONE else 1.0)

    @contextmanager
    def charge(self, tier: str) -> Iterator[None]:
        """Time what happens inside as a cost of this tier.

        The first time imports and warms up, often a hundred times what it takes from then on; the
        whole run pays for it bit by bit, so that it is watched closely from its start. Copies that
        run ahead train as long the first time as later.
        """
        begin = self.now()
        try:
            yield
        finally:
            seconds = self.now() - begin
            if tier in self._set_up or tier == "foresight":
                self._costs[tier] = seconds
                self._spent[tier] = self._spent.get(tier, 0.0) + seconds
            else:
                self._set_up[tier] = seconds
