"""Which bugs of a Q-learning loop do its gradient and data show? Are sound loops left alone?"""

from __future__ import annotations

from experiments.tables import Column, Record, print_table, share


def _also(record: Record) -> str:
    return ", ".join(f"{code} {count}" for code, count in sorted(record["also"].items())) or "–"


SOUND = (
    Column("network", "subject", "<"),
    Column("false findings", lambda r: share(r["false"], r["looked_at"]), "<"),
    Column("largest residual", "largest_residual", ".1e"),
)
BUGS = (
    Column("bug", "subject", "<"),
    Column("batch", "num_rows"),
    Column("named", lambda r: share(r["named"], r["looked_at"]), "<"),
    Column("other codes in", _also, "<"),
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
