"""The kernel of a Q-network at its start, over width, depth and activation (Achiam et al. 2019)."""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean
from typing import Any

from experiments.init_kernel.sweep import DEPTHS
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments init_kernel",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep init_kernel`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    options = parser.parse_args(arguments)
    records = read_table(options.table, "python -m experiments sweep init_kernel").records()
    for measure in ("diagonal", "row_ratio"):
        print(f"{measure}, mean over pairs and {len(records[0][measure])} seeds")
        print("start    activation  width " + "".join(f"  depth {d:<5}" for d in DEPTHS))
        for key in dict.fromkeys(_line(r) for r in records):
            own = {r["depth"]: r for r in records if _line(r) == key}
            values = "".join(f"{mean(own[d][measure]):12.4g} " for d in DEPTHS if d in own)
            print(f"{key[0]:<8} {key[1]:<10} {key[2]:>6} {values}")
        print()
    return 0


def _line(record: dict[str, Any]) -> tuple[str, str, int]:
    return record["start"], record["activation"], record["width"]
