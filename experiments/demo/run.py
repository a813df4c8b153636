"""Does the demo tell the same story on every seed and processor?"""

from __future__ import annotations

from collections.abc import Sequence

from experiments.tables import Column, Record, grouped, print_table, share

EARLY = ("foreseen_divergence", "runaway_growth")  # rules that fire before the bound is passed
LATE = "soft_divergence"


def show(records: list[Record]) -> None:
    """Print each demo, then what they come to by processor."""
    print_table("each demo", DEMOS, sorted(records, key=lambda r: (r["processor"], r["seed"])))
    print_table("by processor", PROCESSORS, grouped(records, "processor").values())


def first(record: Record, *rules: str) -> int | None:
    """Return the update of the diverging run's first alarm by one of these rules."""
    updates = [a["update"] for a in record["diverging"]["raised"] if a["rule"] in rules]
    return min(updates, default=None)


def is_calm(record: Record) -> bool:
    """Return whether the ordinary run is called healthy, without an alarm or a finding."""
    own = record["ordinary"]
    return own["verdict"] == "healthy" and all(a["kind"] == "condition" for a in own["raised"])


def is_foreseen(record: Record) -> bool:
    """Return whether the other one diverged, and an alarm came before it passed its limit."""
    early, late = first(record, *EARLY), first(record, LATE)
    return late is not None and early is not None and early < late


def has_clean_audits(record: Record) -> bool:
    """Return whether no audit of either run found anything."""
    raised = (a for part in ("ordinary", "diverging") for a in record[part]["raised"])
    return all(a["kind"] != "loop" for a in raised)


def said(update: int | None) -> str:
    """Return an update, or that there was none."""
    return "–" if update is None else str(update)


def of_all(records: Sequence[Record], is_true: object) -> str:
    """Return of how many of the demos something is true."""
    assert callable(is_true)
    return share(sum(map(is_true, records)), len(records))


DEMOS = [
    Column("processor", "processor", "<"),
    Column("seed", "seed"),
    Column("ordinary", lambda r: r["ordinary"]["verdict"], "<"),
    Column("its max|Q|", lambda r: r["ordinary"]["q_abs_max"], ".3g"),
    Column("updates", lambda r: r["ordinary"]["updates"]),
    Column("diverging", lambda r: r["diverging"]["verdict"], "<"),
    Column("first foreseen", lambda r: said(first(r, *EARLY))),
    Column("limit passed", lambda r: said(first(r, LATE))),
    Column("updates", lambda r: r["diverging"]["updates"]),
]
PROCESSORS = [
    Column("processor", lambda own: own[0]["processor"], "<"),
    Column("ordinary run calm", lambda own: of_all(own, is_calm)),
    Column("diverging run foreseen", lambda own: of_all(own, is_foreseen)),
    Column("audits clean", lambda own: of_all(own, has_clean_audits)),
]
