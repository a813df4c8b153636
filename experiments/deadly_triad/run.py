"""How often max|Q| passes the bound, over the four factors of van Hasselt et al. (2018)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from analysis.statistics import wilson_interval
from experiments.deadly_triad.settings import BASE, FACTORS
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"


def main(arguments: list[str]) -> int:
    """Print the fractions; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments deadly_triad",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep deadly_triad`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep deadly_triad"
    ).records()
    print("runs with max|Q| > 1/(1 − γ), with Wilson's 95 % interval")
    for row in fractions(records):
        low, high = row["interval"]
        print(
            f"{row['factor']:<10} {row['level']!s:<17} {row['count']:>3} of {row['total']:<3} "
            f"{row['count'] / row['total']:>5.0%} [{low:.0%}, {high:.0%}]"
        )
    return 0


def fractions(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
            if not own:
                continue
            count = sum(record["soft_divergent"] for record in own)
            interval = wilson_interval(count, len(own))
            rows.append(
                {
                    "factor": factor,
                    "level": level,
                    "count": count,
                    "total": len(own),
                    "interval": interval,
                }
            )
    return rows
