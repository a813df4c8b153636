"""The rules that are compared: each tells a run's first alarm, as a threshold on a number.

Signs of the moment, looked at after every update: max|Q|/B, value churn/B, and the exponent of the
update before the first one. Of copies that run ahead: the median over the orders of their peak of
max|Q|/B, at stated updates. A threshold is set on the dev split alone: the least that alarms in at
most FALSE_ALARMS of its sound runs; of copies not below HALF, and not above 1, where most of them
have passed B itself.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.foresight.ahead import LIMIT, halfway, passing
from experiments.foresight.corpus import RESULTS, Run, digest, load
from experiments.foresight.observe import LEVELS
from qdiverge.errors import RunFolderError
from qdiverge.runs import provenance
from qdiverge.runs.whole import write_whole

FALSE_ALARMS = 0.03
HALF = 0.5
BEYOND = 1.001
KINDS = {  # what is judged together → strata
    "short": ("short", "default", "critic", "image"),
    "long": ("long",),
    "online": ("online",),
    "replay": ("replay",),
}
Alarm = Callable[[Run, float], int | None]  # a threshold → the first update that is above it


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        alarm: When it first alarms at a threshold.
        levels: The thresholds that it may have, rising.
        looks: The ways of running ahead that it asks, at which updates; () for signs.
    """

    alarm: Alarm
    levels: Sequence[float]
    looks: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())

    @property
    def is_ahead(self) -> bool:
        """Return whether copies are asked."""
        return bool(self.looks[0])


AHEAD_LEVELS = [HALF, 0.6, 0.7, 0.8, 0.9, 1.0]


def says(run: Run, look: str, updates: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what copies of one kind did, at those of the updates at which they were asked."""
    for update in updates:
        at = run.row["moments"].get(str(update), {})
        if look in at:
            yield update, at[look]


def peak(said: dict[str, Any]) -> float:
    """Return the median over the orders of max|Q|/B at its largest.

    Three digits of it are kept; where B was passed it is more than 1, where LIMIT B more than that.
    Copies that were followed until they left the latter have "left"; of others it is not known.

    >>> peak({"peaks": [1.0, 0.5, 1.0], "passed": [7, None, 9]}) > 1
    True
    >>> peak({"peaks": [1.0, 1.0], "passed": [7, 9], "left": [8, 12]}) > LIMIT
    True
    """
    lefts = said.get("left", [None] * len(said["peaks"]))
    copies = zip(said["peaks"], said["passed"], lefts, strict=True)
    return statistics.median(
        max(p, BEYOND * (at is not None), BEYOND * LIMIT * (left is not None))
        for p, at, left in copies
    )


def ahead(look: str, *updates: int, confirmed_by: str = "", twice: bool = False) -> Rule:
    """Return the rule that copies peak above a threshold.

    Args:
        look: The kind of copies.
        updates: When they are asked.
        confirmed_by: Copies of another kind that must say so, too.
        twice: At two of the updates running.

    A copy in the run's own order is the run: it is held against B itself.
    """

    def alarm(run: Run, threshold: float) -> int | None:
        other = dict(says(run, confirmed_by, updates))
        was_above = not twice
        for update, said in says(run, look, updates):
            is_above = peak(said) > threshold
            if confirmed_by:
                is_above &= update in other and peak(other[update]) > threshold
            if is_above and was_above:
                return update
            was_above = is_above or not twice
        return None

    looks = (look, confirmed_by) if confirmed_by else (look,)
    is_exact = (confirmed_by or look).endswith("own")
    return Rule(alarm, [1.0] if is_exact else AHEAD_LEVELS, (looks, updates))


def leaving(
    look: str, updates: Sequence[int], *, if_grown: bool = False, again: bool = False
) -> Rule:
    """Return the rule that most copies leave LIMIT B.

    Args:
        look: The kind of copies.
        updates: When they are asked.
        if_grown: Whether also where max|Q| has grown.
        again: Whether others must say so halfway to there as well.
    """

    def alarm(run: Run, _: float) -> int | None:
        grown = [int(u) for u, said in run.row["moments"].items() if "grown" in said and if_grown]
        alarms = []
        for update, said in says(run, look, sorted({*updates, *grown})):
            if (when := passing(said, "left")) is None:
                continue
            at = halfway(update, when) if again else update
            later = dict(says(run, look, [at])).get(at)
            alarms += [at] if passing(later, "left") is not None else []
        return min(alarms, default=None)

    return Rule(alarm, [1.0], ((look,), tuple(range(2_000))))


def sign(name: str) -> Rule:
    """Return the rule that max|Q|/B or the churn is above a threshold, after any update."""
    levels = LEVELS[name]
    return Rule(lambda run, x: run.row[f"{name}_above"][levels.index(x)], levels)


def exponent(run: Run, threshold: float) -> int | None:
    """Return 0 where the exponent of the first update is above a threshold."""
    value = run.row["moments"]["0"].get("exponent")
    return 0 if value is not None and value > threshold else None


SIGNS = {
    "max|Q| of the moment": sign("size"),
    "value churn": sign("churn"),
    "exponent of the first update": Rule(exponent, [0.01 * 1.2**k for k in range(45)]),
}
EARLY, SLOW, LIVELY = (0, 8, 32, 128), (0, 512, 2_048), (0, 128, 512)
RULES: dict[str, dict[str, Rule]] = {
    "short": SIGNS
    | {
        "preflight": ahead("x1", 0),
        "preflight, and at 8, 32, 128": ahead("x1", *EARLY),
        "preflight in the run's own order": ahead("own", 0),
    },
    "long": SIGNS
    | {
        "x16 before the run": ahead("x16", 0),
        "x16 at 0, 512, 2,048": ahead("x16", *SLOW),
        "x64, x16 to confirm": ahead("x64", *SLOW, confirmed_by="x16"),
        "x16 before the run, x4 to confirm": ahead("x16", 0, confirmed_by="x4"),
        "x16 at 0, 512, 2,048, x4 to confirm": ahead("x16", *SLOW, confirmed_by="x4"),
    },
    "online": SIGNS
    | {
        "x16 on random play": ahead("x16", 0),
        "frozen x16 at doublings": ahead("x16", *LIVELY),
        "frozen x16, twice running": ahead("x16", *LIVELY, twice=True),
        "frozen x4 at doublings": ahead("x4", *LIVELY),
        "frozen x4, twice running": ahead("x4", *LIVELY, twice=True),
        "frozen x1 at doublings": ahead("x1", *LIVELY),
        "live x4 where x16 asks for it": ahead("live4", *LIVELY),
        "live x4, live x1 to confirm": ahead("live4", *LIVELY, confirmed_by="live1"),
        "live x4, a copy of the run to confirm": ahead("live4", *LIVELY, confirmed_by="live own"),
        "live x1 before the run": ahead("live1", 0),
        "a copy of the run, before it": ahead("live own", 0),
    },
    "replay": SIGNS
    | {
        "frozen x1 before the run": leaving("x1", (0,)),
        "frozen x1 at doublings": leaving("x1", LIVELY),
        "and again halfway": leaving("x1", LIVELY, again=True),
        "and where max|Q| has grown": leaving("x1", LIVELY, if_grown=True),
        "and where it has grown, each again halfway": leaving(
            "x1", LIVELY, if_grown=True, again=True
        ),
    },
}  # fmt: skip

JUDGED = {  # evidence of the monitor → runs that it was measured on, rule
    "live": ("online", "a copy of the run, before it"),
    "own order": ("short", "preflight in the run's own order"),
    "fixed data": ("short", "preflight, and at 8, 32, 128"),
    "fixed data, fast": ("long", "x16 at 0, 512, 2,048, x4 to confirm"),
    "replay": ("replay", "and where it has grown, each again halfway"),
}


def kind_of(run: Run) -> str:
    """Return with which runs it is judged."""
    return next(kind for kind, strata in KINDS.items() if run.cell.stratum in strata)


def threshold_of(rule: Rule, runs: Sequence[Run]) -> float:
    """Return the least level with few enough false alarms; the largest where none has."""
    sound = [run for run in runs if not run.is_divergent]
    allowed = math.floor(FALSE_ALARMS * len(sound) + 1e-9)
    for level in rule.levels:
        if sum(rule.alarm(run, level) is not None for run in sound) <= allowed:
            return level
    return rule.levels[-1]


def fix(folder: Path = RESULTS) -> dict[str, Any]:
    """Set every threshold from the dev split, and write them; the chosen rules are ``CHOSEN``."""
    runs = load("dev", folder)[1]
    fixed = {
        "provenance": provenance(),
        "corpus": digest("dev", folder),
        "false_alarms": FALSE_ALARMS,
        "thresholds": {
            kind: {
                name: threshold_of(rule, [run for run in runs if kind_of(run) == kind])
                for name, rule in rules.items()
            }
            for kind, rules in RULES.items()
        },
    }
    write_whole(folder / "rules.json", json.dumps(fixed, indent=1, ensure_ascii=False) + "\n")
    return fixed


def read_rules(folder: Path = RESULTS) -> dict[str, Any]:
    """Read what ``fix`` has set.

    Raises:
        RunFolderError: it has not been set, or from another dev split.
    """
    path, remedy = folder / "rules.json", "Run: python -m experiments foresight fix, and commit it"
    if not path.exists():
        raise RunFolderError("the rules must be fixed first", got=f"no {path}", remedy=remedy)
    fixed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if fixed["corpus"] != digest("dev", folder):
        raise RunFolderError("the rules must be those of this dev split", got=path, remedy=remedy)
    return fixed
