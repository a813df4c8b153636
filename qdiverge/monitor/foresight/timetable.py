"""When copies run ahead of a run, how far, and how fast: from the start on, at growing distances.

Data that grow go stale: a copy that trains on for long on what there is now sees divergence that
the run, whose data move on, does not. So there it goes few updates ahead, at the run's own step. Of
fixed data it can go to the end of the run, s updates in one. A copy of the run itself, environment
and all or in the run's own order of fixed data, is right as far as it goes, and none is due before.
"""

from dataclasses import dataclass, replace
from typing import Literal

Source = Literal["live", "fixed data", "replay", "batches"]

FIRST, FACTOR = 8, 4  # updates before the first rehearsal, and from one to the next
FIRST_OF_REPLAY = 128  # after the one before the run
BEFORE, BEFORE_LIVE = 300, 2_000  # updates ahead from before the first one, of fixed data; of a run
PART = 30  # of a short run, at least FEW: what one look may cost it
FEW, MANY = 100, 500  # ahead, of growing data: from early on, and at most
LONGEST = 600  # updates that a copy makes for one rehearsal of fixed data
SHORTEST = 30  # updates of a copy, that tell anything
FASTEST = 16.0  # s, of fixed data
UNKNOWN_LENGTH = 4  # times the updates made, where nobody says how long the run is


@dataclass(frozen=True)
class Plan:
    """One rehearsal.

    Attributes:
        num_updates: Of the run, to look ahead.
        speed: Updates of the run in one of a copy.
        num_orders: Copies.
    """

    num_updates: int
    speed: float = 1.0
    num_orders: int = 3

    @property
    def num_steps(self) -> int:
        """Return how many updates a copy makes."""
        return -(-self.num_updates // round(self.speed))

    def cut(self, num_steps: float) -> "Plan | None":
        """Return as much of it as so many updates of copies allow; None: too little to tell.

        >>> Plan(9600, 16.0).cut(100), Plan(100).cut(1_000), Plan(100).cut(20)
        (Plan(num_updates=1600, speed=16.0, num_orders=3), \
Plan(num_updates=100, speed=1.0, num_orders=3), None)
        """
        if self.num_steps <= num_steps:
            return self
        return None if num_steps < SHORTEST else replace(
            self, num_updates=round(int(num_steps) * self.speed)
        )  # fmt: skip


def next_due(update: int, first: int = FIRST) -> int:
    """Return the update after which to run ahead again.

    >>> [next_due(n) for n in (0, 8, 9, 32, 600)]
    [8, 32, 32, 128, 2048]
    """
    due = first
    while due <= update:
        due *= FACTOR
    return due


def plan_at(update: int, length: int | None, source: Source) -> Plan | None:
    """Return how far to go.

    Args:
        update: Updates made.
        length: Updates that the run makes in all; None: not known.
        source: What copies learn from.

    Returns:
        The plan; None at the end of the run.

    >>> [plan_at(0, 50_000, source).num_updates for source in ("fixed data", "replay", "live")]
    [9600, 500, 1666]
    >>> plan_at(32, None, "batches"), plan_at(512, 10_112, "fixed data").speed
    (Plan(num_updates=100, speed=1.0, num_orders=3), 16.0)
    """
    left = None if length is None else length - update
    if left is not None and left < 1:
        return None
    ahead = exact_updates(update, length, source)
    num_orders = 2 if source == "replay" or (source == "fixed data" and update > 1) else 3
    if source != "fixed data":
        return Plan(ahead, 1.0, num_orders)
    ahead = max(ahead, UNKNOWN_LENGTH * update) if left is None else left
    speed = min(FASTEST, max(1.0, float(round(ahead / LONGEST))))
    return Plan(min(ahead, round(LONGEST * speed)), speed, 3 if speed > 1 else num_orders)


def exact_updates(update: int, length: int | None, source: Source) -> int:
    """Return how far a copy goes at the run's own step.

    >>> exact_updates(1, 10_000, "fixed data"), exact_updates(700, 1_000, "live")
    (300, 300)
    """
    most = BEFORE_LIVE if source == "live" else MANY
    ahead = min(most, max(FEW, update))
    if update <= 1:
        before = {"live": BEFORE_LIVE, "replay": MANY}.get(source, BEFORE)
        ahead = before if length is None else min(before, max(FEW, length // PART))
    return ahead if length is None else min(ahead, length - update)
