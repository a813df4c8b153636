"""One look ahead in plain numbers and a sentence: what is foretold, how surely, what would help."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from qdiverge.monitor.foresight.judging import Judgement, Look, judge
from qdiverge.monitor.foresight.measured_rates import Evidence, measured
from qdiverge.monitor.foresight.timetable import MANY
from qdiverge.rehearsal import Rehearsal
from qdiverge.rehearsal.changes import CHANGEABLE, Change, changed, usual_changes
from qdiverge.rehearsal.rehearse import rehearsed
from qdiverge.rehearsal.stack import can_stack
from qdiverge.rehearsal.stage import Stage
from qdiverge.rehearsal.what_if import AS_IT_IS, Option, options_of

FORESEEN = "foreseen_divergence"  # the alarm rule's name
NUM_POINTS = 50  # of the fan that is kept
DEAR = 100_000  # parameters of a network, of which remedies are rehearsed one by one
Curves = Mapping[str, list[float]]
Way = tuple[Stage, int | None, int, Mapping[str, Change]]  # seed, updates, changes
COPIES_OF: dict[Evidence, str] = {
    "live": "A copy of this run, environment and all, that went on from update {}",
    "own order": "A copy of this run that learnt ahead in its own order from update {}",
}
COPIES = "Copies of this run that trained ahead from update {}"
UNMEASURED = "how often copies that know the last batches alone are right was not measured: pass \
foresight={'data': …}"


@dataclass(frozen=True)
class Forecast:
    """One look ahead, of plain numbers.

    Attributes:
        update: Updates made before.
        num_updates: How far it went.
        speed: Updates of the run in one of a copy.
        limit: Of max|Q|.
        evidence: By what it was decided.
        passed: Updates from then on after which each copy passed it; None: it did not. The first is
            the run itself, where a copy of it decided.
        is_call: Whether divergence is foretold.
        peak: The largest max|Q| over the copies that decided.
        fan: "updates", and "low", "median", "high" of max|Q| over the copies.
        own: "updates" and "median" of the copy of the run itself alone; {}: there was none.
        remedy: What the mildest change that held in rehearsal is called; "": none was sought, or
            none held.
        setting: Field of the rule → its value there.
        remedies: What each change that was rehearsed does: its name → "updates", and "median" of
            max|Q|.
        num_copied: Updates that copies made for it.
        notes: What they could not be faithful in.
        again: The update at which they are asked again, before it is called; None: they are not.
    """

    update: int
    num_updates: int
    speed: float
    limit: float
    evidence: Evidence
    passed: tuple[int | None, ...]
    is_call: bool
    peak: float
    fan: Curves
    own: Curves = field(default_factory=dict)
    remedy: str = ""
    setting: dict[str, Any] = field(default_factory=dict)
    remedies: Mapping[str, Curves] = field(default_factory=dict)
    num_copied: int = 0
    notes: tuple[str, ...] = ()
    again: int | None = None

    @property
    def times(self) -> list[int]:
        """Return the updates at which copies passed the limit, counted from the run's start."""
        return sorted(self.update + n for n in self.passed if n is not None)

    @property
    def when(self) -> int | None:
        """Return when the run is to pass it: by the copy of itself, or the median of the others."""
        if self.evidence in COPIES_OF and self.passed[0] is not None:
            return self.update + self.passed[0]
        return round(statistics.median(self.times)) if self.times else None

    @property
    def interval(self) -> tuple[int, int]:
        """Return between which updates that is: of nine in ten calls of the test corpus.

        Where none was measured, between the first and the last copy that passes it.
        """
        rule, when = measured().get(self.evidence), self.when
        assert when is not None
        if rule is None:
            return self.times[0], self.times[-1]
        low, high = (self.update + max(1, round(part * (when - self.update))) for part in rule.left)
        return min(low, when), max(high, when)

    @property
    def numbers(self) -> dict[str, Any]:
        """Return the numbers that a call rests on."""
        own: dict[str, Any] = {
            "rehearsed": self.num_updates,
            "speed": self.speed,
            "limit": self.limit,
        }
        own |= {"by": self.evidence}
        own |= {"diverging": len(self.times), "copies": len(self.passed)}
        if self.times:
            own |= {"first": self.times[0], "last": self.times[-1], "when": self.when}
            own |= {"interval": list(self.interval)}
        if (rule := measured().get(self.evidence)) is not None:
            own |= {"caught": [rule.caught.count, rule.caught.of]}
            own |= {"false": [rule.false.count, rule.false.of]}
        return own | ({"remedy": self.remedy} | self.setting if self.remedy else {})

    @property
    def outcome(self) -> str:
        """Return what became of the copies, and when."""
        times = self.times
        head = COPIES_OF.get(self.evidence, COPIES).format(self.update)
        most = f"{self.limit:.3g}, beyond what any policy can earn"
        if not times:
            verb = "comes" if self.evidence in COPIES_OF else "come"
            share = f"{self.peak / self.limit:.2g} of {most}"
            return f"{head} {verb} up to {share}, in {self.num_updates:,} updates."
        if self.evidence in COPIES_OF:
            others = f" ({times[0]} to {times[-1]} in other orders)" if len(times) > 1 else ""
            return f"{head} diverges: max|Q| passes {most}, at update {self.when}{others}."
        between = "{} to {}".format(*self.interval)
        if self.evidence in measured():
            between += " in nine of ten such calls of a test corpus"
        asked = "" if self.again is None else f" They are asked again at update {self.again}."
        return (
            f"{head} diverge, {len(times)} of {len(self.passed)}: max|Q| passes {most}, at about "
            f"update {self.when} ({between}).{asked}"
        )

    @property
    def message(self) -> str:
        """Return what a call says: when, how sure, and what would help."""
        rule = measured().get(self.evidence)
        sure = f"How sure: {UNMEASURED if rule is None else rule}."
        if not self.remedy:
            help_ = "None of the usual remedies held in rehearsal; start from smaller steps."
        else:
            setting = ", ".join(f"{name} = {_short(value)}" for name, value in self.setting.items())
            help_ = f"The mildest change that held in rehearsal: {self.remedy} ({setting})."
        return f"{self.outcome} {sure} {help_}"


def look_ahead(look: Look, update: int, remedies: Sequence[str] = CHANGEABLE) -> Forecast:
    """Rehearse and judge; where divergence is foretold, rehearse remedies.

    Args:
        look: What is to be rehearsed.
        update: Updates made.
        remedies: Fields of the rule that a remedy may change.
    """
    judged = judge(look, update)
    tried = _tried(look, judged, update, remedies) if judged.is_call else []
    best = next((row for row in tried if row.holds), None)
    own, others = judged.exact, judged.others
    shown = own if others is None or judged.evidence == "own order" else others
    assert shown is not None
    is_alone = others is None or others is shown or others.speed != shown.speed
    spread = [] if is_alone or others is None else [others]
    return Forecast(
        update,
        shown.num_updates,
        shown.speed,
        float(shown.limit),
        judged.evidence,
        tuple(passed for each in [*judged.deciding, *spread] for passed in each.passed),
        judged.is_call,
        max(float(np.nanmax(each.q_abs_max)) for each in judged.deciding),
        fan_of([shown, *spread]),
        {} if own is None else curve_of(own),
        "" if best is None else best.change,
        {} if best is None else dict(best.setting),
        {row.change: curve_of(row.rehearsal) for row in tried},
        num_copied=sum(int(np.isfinite(each.q_abs_max).sum()) for each in judged.made),
        notes=shown.notes,
    )


def is_stacked(stage: Stage) -> bool:
    """Return whether copies train in one computation, at little more than the cost of one."""
    return can_stack(stage.original, stage.batches.probe())


def fan_of(rehearsals: Sequence[Rehearsal]) -> Curves:
    """Return low, median and high of max|Q| over the copies that are still within the limit."""
    first = rehearsals[0]
    length = max(each.q_abs_max.shape[1] for each in rehearsals)
    sizes = np.concatenate([
        np.pad(each.q_abs_max, ((0, 0), (0, length - each.q_abs_max.shape[1])),
               constant_values=np.nan)
        for each in rehearsals
    ])  # fmt: skip
    last = int(np.flatnonzero(np.isfinite(sizes).any(0))[-1])  # the update that left the limit
    places = np.union1d(np.linspace(0, length - 1, NUM_POINTS).astype(int), [last])
    drawn = [k for k in places if np.isfinite(sizes[:, k]).any()]
    columns = [sizes[:, k][np.isfinite(sizes[:, k])] for k in drawn]
    most = max(each.num_updates for each in rehearsals)
    fan = {"updates": [float(min(most, round(first.speed * (k + 1)))) for k in drawn]}
    for name, of in (("low", np.min), ("median", np.median), ("high", np.max)):
        fan[name] = [float(of(column)) for column in columns]
    return fan


def curve_of(rehearsal: Rehearsal) -> Curves:
    """Return the median of max|Q| over the copies that are still within the limit."""
    return {name: values for name, values in fan_of([rehearsal]).items()
            if name in ("updates", "median")}  # fmt: skip


def _tried(look: Look, judged: Judgement, update: int, fields: Sequence[str]) -> list[Option]:
    """Rehearse remedies, the mildest first, further than the copies went that decided."""
    shown, frozen = judged.deciding[0], look.stages[0]
    changes, stage = _usual(frozen, fields), frozen
    seed: int | None = update
    far = look.remedied(shown.num_updates)
    if judged.evidence == "live" and look.exact is not None:
        others = frozen if look.is_faithful else None
        return _tried_live(look.exact, others, changes, update, far)
    if judged.evidence == "own order" and look.exact is not None:
        stage, seed = look.exact, None
    if sum(p.numel() for p in stage.original.networks[0].parameters()) > DEAR:
        return _until_one_holds([(stage, seed, far, changes)], shown.speed)
    num_orders = look.plan.num_orders if is_stacked(stage) else 1
    made = options_of(stage, changes, far, num_orders, shown.speed, seed)
    return [row for row in made if row.change != AS_IT_IS]


def _tried_live(
    live: Stage, frozen: Stage | None, changes: Mapping[str, Change], seed: int, num_updates: int
) -> list[Option]:
    """Rehearse by a copy of the run what it can take; then, none holding, on the data at hand."""
    takes = {"learning_rate", *live.original.others[0].takes}
    own = {name: change for name, change in changes.items() if set(change) <= takes}
    others = {name: change for name, change in changes.items() if name not in own}
    ways: list[Way] = [(live, None, num_updates, own)]
    if frozen is not None:
        ways.append((frozen, seed, min(num_updates, MANY), others))
    return _until_one_holds(ways)


def _until_one_holds(ways: Sequence[Way], speed: float = 1.0) -> list[Option]:
    """Rehearse changes one by one, by a copy each, until one holds."""
    tried: list[Option] = []
    for stage, seed, num_updates, changes in ways:
        for name, change in changes.items():
            rehearsal = rehearsed(
                replace(stage, original=changed(stage.original, change)),
                num_updates=num_updates, num_orders=1, speed=speed, seed=seed, is_stacked=False,
            )  # fmt: skip
            tried.append(Option(name, change, rehearsal))
            if tried[-1].holds:
                return tried
    return tried


def _usual(stage: Stage, fields: Sequence[str]) -> dict[str, Change]:
    """Return the remedies that there are for a run that lets these fields be changed."""
    rule = stage.original.rule
    usual = usual_changes(
        rule,
        is_critic=stage.batches.probe().transitions.actions.is_floating_point(),
        is_known=stage.original.update is None,
    )
    own = {n: {k: v for k, v in c.items() if getattr(rule, k) != v} for n, c in usual.items()}
    return {name: change for name, change in own.items() if set(change) <= set(fields)}


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and not math.isnan(value) else str(value)
