"""When copies run ahead of a run, how far, and how fast: from the start on, at growing distances.

Data that grow go stale: a copy that trains on for long on what there is now sees divergence that
the run, whose data move on, does not. So there it goes few updates ahead, at the run's own step. Of
fixed data it can go to the end of the run, s updates in one.
"""

from dataclasses import dataclass, replace

FIRST, FACTOR = 8, 4  # updates before the first rehearsal, and from one to the next
BEFORE = 300  # updates ahead from before the first one, where a replay is at hand
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
    """

    num_updates: int
    speed: float = 1.0

    @property
    def num_steps(self) -> int:
        """Return how many updates a copy makes."""
        return -(-self.num_updates // round(self.speed))

    def cut(self, num_steps: float) -> "Plan | None":
        """Return as much of it as so many updates of copies allow; None: too little to tell.

        >>> Plan(9600, 16.0).cut(100), Plan(100).cut(1_000), Plan(100).cut(20)
        (Plan(num_updates=1600, speed=16.0), Plan(num_updates=100, speed=1.0), None)
        """
        if self.num_steps <= num_steps:
            return self
        return None if num_steps < SHORTEST else replace(
            self, num_updates=round(int(num_steps) * self.speed)
        )  # fmt: skip


def next_due(update: int) -> int:
    """Return the update after which to run ahead again.

    >>> [next_due(n) for n in (0, 8, 9, 32, 600)]
    [8, 32, 32, 128, 2048]
    """
    due = FIRST
    while due <= update:
        due *= FACTOR
    return due


def plan_at(update: int, length: int | None, *, is_fixed: bool) -> Plan | None:
    """Return how far to go.

    Args:
        update: Updates made.
        length: Updates that the run makes in all; None: not known.
        is_fixed: Whether its data stay as they are.

    Returns:
        The plan; None at the end of the run.

    >>> plan_at(0, 50_000, is_fixed=False), plan_at(32, None, is_fixed=False)
    (Plan(num_updates=300, speed=1.0), Plan(num_updates=100, speed=1.0))
    >>> plan_at(512, 10_112, is_fixed=True), plan_at(90, 100, is_fixed=False)
    (Plan(num_updates=9600, speed=16.0), Plan(num_updates=10, speed=1.0))
    """
    left = None if length is None else length - update
    if left is not None and left < 1:
        return None
    ahead = min(MANY, max(FEW, update))
    if update == 0:
        ahead = BEFORE if length is None else min(BEFORE, max(FEW, length // PART))
    if not is_fixed:
        return Plan(ahead if left is None else min(ahead, left))
    ahead = max(ahead, UNKNOWN_LENGTH * update) if left is None else left
    speed = min(FASTEST, max(1.0, float(round(ahead / LONGEST))))
    return Plan(min(ahead, round(LONGEST * speed)), speed)
