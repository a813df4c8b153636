"""What copies that ran ahead say: by the rules of the foresight study, at its thresholds.

A copy of the run itself decides as far as it goes. Else most copies decide: their median peak of
max|Q| over the bound. Fast copies are to be confirmed at a quarter of their speed, since a step
that is stable may not be so s times as large; copies that know the last batches alone by others.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qdiverge.monitor.foresight.measured_rates import Evidence, measured
from qdiverge.monitor.foresight.timetable import Plan, Source
from qdiverge.rehearsal import Rehearsal
from qdiverge.rehearsal.rehearse import rehearsed
from qdiverge.rehearsal.stage import Stage

OTHER_ORDERS = 1_000  # added to the seed of copies that confirm
SLOWER = 4.0  # by which they are slower
BEYOND = 1.001  # of the bound, at least, where it was passed
FURTHER = 4  # times as far as divergence was looked for: a remedy of a step / 4 slows it so


@dataclass(frozen=True, eq=False)
class Look:
    """What is to be rehearsed.

    Attributes:
        source: What copies learn from.
        stages: The run; several where it is not known by which loss it learns, and only what holds
            of each is called.
        plan: How far to go.
        exact: The stage of a copy of the run itself; None: there is none.
        num_exact: How far that one goes.
        is_faithful: Whether the others make the run's own update.
        num_left: Updates that the run has left; None: not known.
    """

    source: Source
    stages: Sequence[Stage]
    plan: Plan
    exact: Stage | None = None
    num_exact: int = 0
    is_faithful: bool = True
    num_left: int | None = None

    def remedied(self, num_updates: int) -> int:
        """Return how far to rehearse a remedy of what was seen so many updates ahead.

        A smaller step puts divergence off before it prevents it. Data that grow allow no more.
        """
        if self.source in ("replay", "batches"):
            return num_updates
        further = FURTHER * num_updates
        return further if self.num_left is None else max(num_updates, min(further, self.num_left))


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the copies did, and which of them decided.

    Attributes:
        evidence: By what it was decided.
        is_call: Whether divergence is foretold.
        deciding: The rehearsals that decided.
        exact: The copy of the run itself; None: there was none.
        others: The first of the others; None: there were none.
        made: All rehearsals.
    """

    evidence: Evidence
    is_call: bool
    deciding: Sequence[Rehearsal]
    exact: Rehearsal | None
    others: Rehearsal | None
    made: Sequence[Rehearsal]


def judge(look: Look, update: int) -> Judgement:
    """Rehearse, and decide.

    Args:
        look: What.
        update: Updates made: the seed of the orders.
    """
    exact = None
    if look.exact is not None:
        exact = rehearsed(look.exact, num_updates=look.num_exact, num_orders=1, seed=None,
                          is_stacked=False)  # fmt: skip
        if look.source == "live":
            return Judgement("live", exact.diverges, [exact], exact, None, [exact])
    evidence = evidence_of(look)
    first = [_rehearsed(stage, look.plan, update) for stage in look.stages]
    rehearsals = ([] if exact is None else [exact]) + first
    if exact is not None and exact.diverges:
        return Judgement("own order", True, [exact], exact, first[0], rehearsals)
    is_call, deciding = all(is_above(each, evidence) for each in first), first[:1]
    if is_call and evidence in ("fixed data, fast", "batches"):
        slower = replace(look.plan, speed=max(1.0, look.plan.speed / SLOWER))
        again = [_rehearsed(stage, slower, update + OTHER_ORDERS) for stage in look.stages]
        rehearsals, deciding = rehearsals + again, [first[0], again[0]]
        is_call = all(is_above(each, evidence) for each in again)
    if exact is not None and _is_refuted(first[0], look.num_exact):
        return Judgement("own order", False, [exact], exact, first[0], rehearsals)
    return Judgement(evidence, is_call, deciding, exact, first[0], rehearsals)


def evidence_of(look: Look) -> Evidence:
    """Return by what the other copies are judged."""
    if look.source == "fixed data":
        return "fixed data, fast" if look.plan.speed > 1 else "fixed data"
    return look.source


def is_above(rehearsal: Rehearsal, evidence: Evidence) -> bool:
    """Return whether the median peak of max|Q| over the bound is above the rule's threshold."""
    rule = measured().get(evidence)
    return peak(rehearsal) > (1.0 if rule is None else rule.threshold)


def peak(rehearsal: Rehearsal) -> float:
    """Return the median over the copies of their largest max|Q| over the bound."""
    sizes = np.where(np.isfinite(rehearsal.q_abs_max), rehearsal.q_abs_max, 0.0).max(1)
    shares = (
        size / rehearsal.limit if at is None else max(BEYOND, size / rehearsal.limit)
        for size, at in zip(sizes, rehearsal.passed, strict=True)
    )
    return float(statistics.median(shares))


def _is_refuted(others: Rehearsal, num_exact: int) -> bool:
    """Return whether other copies pass the bound where the run's own did not, or nowhere."""
    times = [math.inf if at is None else at for at in others.passed]
    when = statistics.median_low(times)
    return when <= num_exact or others.num_updates <= num_exact


def _rehearsed(stage: Stage, plan: Plan, seed: int) -> Rehearsal:
    return rehearsed(
        stage, num_updates=plan.num_updates, num_orders=plan.num_orders, speed=plan.speed, seed=seed
    )
