"""How often max|Q| passes the bound, over the four factors of van Hasselt et al. (2018)."""

from typing import Any

from experiments.deadly_triad.sweep import BASE, FACTORS
from experiments.tables import Column, Record, print_table, share

COLUMNS = (
    Column("factor", "factor", "<"),
    Column("level", lambda row: str(row["level"]), "<"),
    Column("share", lambda row: row["count"] / row["total"], ".0%"),
    Column("runs, interval", lambda row: share(row["count"], row["total"]), "<"),
)


def show(records: list[Record]) -> None:
    """Print the table."""
    title = "runs with max|Q| > 1/(1 − γ), with Wilson's 95 % interval"
    print_table(title, COLUMNS, fractions(records))


def fractions(records: list[Record]) -> list[dict[str, Any]]:
    """Count the soft-divergent runs of each level of each factor.

    In a factorial grid a level's runs are all that have it; one factor at a time, those whose other
    factors are at the base.
    """
    settings = {tuple(record[name] for name in FACTORS) for record in records}
    is_factorial = any(
        sum(s != b for s, b in zip(one, BASE.values(), strict=True)) > 1 for one in settings
    )
    rows = []
    for factor, levels in FACTORS.items():
        others = [name for name in FACTORS if name != factor]
        for level in levels:
            own = [
                r for r in records
                if r[factor] == level and (is_factorial or all(r[o] == BASE[o] for o in others))
            ]  # fmt: skip
            if own:
                count = sum(record["soft_divergent"] for record in own)
                rows.append({"factor": factor, "level": level, "count": count, "total": len(own)})
    return rows
