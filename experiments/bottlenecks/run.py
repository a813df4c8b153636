"""The bottlenecks of deep Q-learning, separated with oracle access (Fu et al. 2019)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from experiments.bottlenecks.summary import correlations, divergence_rate, tables
from experiments.sweep import run as sweep
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"


def main(arguments: list[str]) -> int:
    """Print the tables of the committed grid, or of a sweep of your own.

    Returns:
        0 when done, else the sweep's exit status.
    """
    parser = argparse.ArgumentParser(
        prog="python -m experiments bottlenecks",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep bottlenecks`, or by --rerun.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    parser.add_argument("--rerun", type=Path, metavar="FOLDER", help="sweep into FOLDER first")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    path = options.table
    if options.rerun:
        path = options.rerun / "table.jsonl"
        resume = ["--resume"] if path.exists() else []
        status = sweep.main(["bottlenecks", "--out", str(options.rerun), *resume])
        if status:
            return status
    found = read_table(path, "python -m experiments sweep bottlenecks")
    _print([{"cell": row["config"], **row["row"]} for row in found.rows.values()])
    return 0


def _print(records: list) -> None:
    """Print every table, the divergence rate and the correlations."""
    console = Console(width=None if sys.stdout.isatty() else 110)
    for title, header, rows in tables(records):
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    if records:
        count, total, low, high = divergence_rate(records)
        print(
            f"diverged (max|Q| > 10 max|Q*|): {count} of {total} runs with networks, "
            f"95 % interval {100 * low:.1f} to {100 * high:.1f} %; Fu et al. report 0.9 %"
        )
    for name, (statistic, p) in correlations(records).items():
        print(f"{name} against return: Spearman's ρ = {statistic:+.2f} (p = {p:.2g})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
