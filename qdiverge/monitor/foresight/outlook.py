"""What copies that ran ahead say: whether the run is about to diverge, when, and what would help.

A call needs two rehearsals: the second with other orders of the batches and, of fast copies, at a
quarter of their speed, since a step that is stable may not be so s times as large.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qdiverge.monitor.foresight.timetable import Plan
from qdiverge.rehearsal import Rehearsal
from qdiverge.rehearsal.changes import CHANGEABLE, usual_changes
from qdiverge.rehearsal.rehearse import rehearsed
from qdiverge.rehearsal.stack import can_stack
from qdiverge.rehearsal.stage import Stage
from qdiverge.rehearsal.what_if import AS_IT_IS, options_of

FORESEEN = "foreseen_divergence"  # the alarm rule's name
NUM_ORDERS = 3  # copies of one rehearsal
OTHER_ORDERS = 1_000  # added to the seed of the second one
SLOWER = 4.0  # by which it is slower
NUM_POINTS = 50  # of the fan that is kept


@dataclass(frozen=True)
class Forecast:
    """One look ahead, of plain numbers.

    Attributes:
        update: Updates made before.
        num_updates: How far it went.
        speed: Updates of the run in one of a copy.
        limit: Of max|Q|.
        passed: Updates from then on after which each copy passed it; None: it did not.
        is_call: Whether divergence is foretold: by most copies of both rehearsals.
        fan: "updates", and "low", "median", "high" of max|Q| over the copies.
        remedy: What the mildest change that held in rehearsal is called; "": none was sought, or
            none held.
        setting: Field of the rule → its value there.
        num_copied: Updates that copies made for it.
        notes: What they could not be faithful in.
    """

    update: int
    num_updates: int
    speed: float
    limit: float
    passed: tuple[int | None, ...]
    is_call: bool
    fan: dict[str, list[float]]
    remedy: str = ""
    setting: dict[str, Any] = field(default_factory=dict)
    num_copied: int = 0
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> list[int]:
        """Return the updates at which copies passed the limit, counted from the run's start."""
        return sorted(self.update + n for n in self.passed if n is not None)

    @property
    def evidence(self) -> dict[str, Any]:
        """Return the numbers that a call rests on."""
        own = {"rehearsed": self.num_updates, "speed": self.speed, "limit": self.limit}
        own |= {"diverging": len(self.times), "copies": len(self.passed)}
        if self.times:
            own |= {"first": self.times[0], "last": self.times[-1]}
            own |= {"median": round(statistics.median(self.times))}
        return own | ({"remedy": self.remedy} | self.setting if self.remedy else {})

    @property
    def message(self) -> str:
        """Return what a call says: when, how many copies agree, and what would help."""
        times, count = self.times, f"{len(self.times)} of {len(self.passed)}"
        when = round(statistics.median(times))
        told = (
            f"Copies of this run that trained ahead from update {self.update} diverge, {count}: "
            f"max|Q| passes {self.limit:.3g}, beyond what any policy can earn, at about update "
            f"{when} ({times[0]} to {times[-1]})."
        )
        if not self.remedy:
            return f"{told} None of the usual remedies held in rehearsal; start from smaller steps."
        setting = ", ".join(f"{name} = {_short(value)}" for name, value in self.setting.items())
        return f"{told} The mildest change that held in rehearsal: {self.remedy} ({setting})."


def look_ahead(
    stages: Sequence[Stage], plan: Plan, update: int, remedies: Sequence[str] = CHANGEABLE
) -> Forecast:
    """Rehearse, confirm what diverges, and then rehearse remedies.

    Args:
        stages: The run; several where it is not known by which loss it learns, and only what holds
            of each is called.
        plan: How far to go.
        update: Updates made: the seed of the orders.
        remedies: Fields of the rule that a remedy may change.
    """
    made = [_rehearsed(stage, plan, update) for stage in stages]
    first = made[0]
    is_call = all(each.diverges for each in made)
    if is_call:
        slower = replace(plan, speed=max(1.0, plan.speed / SLOWER))
        again = [_rehearsed(stage, slower, update + OTHER_ORDERS) for stage in stages]
        made += again
        is_call = all(each.diverges for each in again)
    remedy, setting = _remedy(stages[0], plan, update, remedies) if is_call else ("", {})
    rehearsals = [made[0], made[len(stages)]] if is_call else [first]
    return Forecast(
        update,
        plan.num_updates,
        plan.speed,
        float(first.limit),
        tuple(passed for each in rehearsals for passed in each.passed),
        is_call,
        fan_of(first),
        remedy,
        setting,
        num_copied=sum(int(np.isfinite(each.q_abs_max).sum()) for each in made),
        notes=first.notes,
    )


def is_stacked(stage: Stage) -> bool:
    """Return whether copies train in one computation, at little more than the cost of one."""
    return can_stack(stage.original, stage.batches.probe())


def fan_of(rehearsal: Rehearsal) -> dict[str, list[float]]:
    """Return low, median and high of max|Q| over the copies that are still within the limit."""
    sizes, s = rehearsal.q_abs_max, rehearsal.speed
    places = np.unique(np.linspace(0, sizes.shape[1] - 1, NUM_POINTS).astype(int))
    seen = [k for k in places if np.isfinite(sizes[:, k]).any()]
    columns = [sizes[:, k][np.isfinite(sizes[:, k])] for k in seen]
    fan = {"updates": [float(min(rehearsal.num_updates, round(s * (k + 1)))) for k in seen]}
    for name, of in (("low", np.min), ("median", np.median), ("high", np.max)):
        fan[name] = [float(of(column)) for column in columns]
    return fan


def _rehearsed(stage: Stage, plan: Plan, seed: int) -> Rehearsal:
    return rehearsed(
        stage, num_updates=plan.num_updates, num_orders=NUM_ORDERS, speed=plan.speed, seed=seed
    )


def _remedy(
    stage: Stage, plan: Plan, seed: int, fields: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Return the mildest change that holds, and its setting; where copies are dear, by one each."""
    num_orders, rule = NUM_ORDERS if is_stacked(stage) else 1, stage.original.rule
    usual = usual_changes(
        rule,
        is_critic=stage.batches.probe().transitions.actions.is_floating_point(),
        is_known=stage.original.update is None,
    )
    own = {n: {k: v for k, v in c.items() if getattr(rule, k) != v} for n, c in usual.items()}
    changes = {name: change for name, change in own.items() if set(change) <= set(fields)}
    options = options_of(stage, changes, plan.num_updates, num_orders, plan.speed, seed)
    best = next((row for row in options if row.holds and row.change != AS_IT_IS), None)
    return ("", {}) if best is None else (best.change, dict(best.setting))


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and not math.isnan(value) else str(value)
