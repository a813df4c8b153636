"""Which bugs of a Q-learning loop do its gradient and data show? Are sound loops left alone?"""

from __future__ import annotations

from collections.abc import Callable

from experiments.tables import Column, Record, print_table, share


def _counts(name: str) -> Callable[[Record], str]:
    return lambda r: ", ".join(f"{key} {count}" for key, count in sorted(r[name].items())) or "–"


SOUND = (
    Column("network", "subject", "<"),
    Column("batch", "num_rows"),
    Column("false findings", lambda r: share(r["false"], r["looked_at"]), "<"),
    Column("largest residual", "largest_residual", ".1e"),
    Column("of its limit", "nearest_to_its_limit", ".1%"),
)
BUGS = (
    Column("bug", "subject", "<"),
    Column("batch", "num_rows"),
    Column("named", lambda r: share(r["named"], r["looked_at"]), "<"),
    Column("no trace", "no_trace"),
    Column("wrong codes in", _counts("also"), "<"),
    Column("missed", _counts("missed"), "<"),
)
REAL = (
    Column("loop", "subject", "<"),
    Column("operator", "operator", "<"),
    Column("in updates", lambda r: ", ".join(r["in_updates"]) or "–", "<"),
    Column("in the replay", lambda r: ", ".join(r["in_replay"]) or "–", "<"),
    Column("loss", "loss", "<"),
)


def show(records: list[Record]) -> None:
    """Print sound loops, planted bugs, and real loops with an operator injected."""
    for title, kind, columns in (
        ("Sound loops: 4 losses × 4 bootstraps × 3 optimisers", "sound", SOUND),
        ("Planted bugs", "bug", BUGS),
        ("Real loops", "real", REAL),
    ):
        print_table(title, columns, [r for r in records if r["kind"] == kind])
