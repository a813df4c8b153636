"""Score and mean held-out Q against training on Atari games (Mnih et al. 2015)."""

from __future__ import annotations

import argparse
from pathlib import Path

from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"


def main(arguments: list[str]) -> int:
    """Print a line for each run; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments atari",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep atari --full`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep atari"
    ).records()
    for r in records:
        values, scores = r["held_out_q"]["value"], r["epoch_return"]["value"]
        print(
            f"{r['environment']}, {r['preset']}, seed {r['seed']}: {r['steps']:,} agent steps, "
            f"{len(values)} epochs, held-out Q {values[0]:.3g} → {values[-1]:.3g}, "
            f"score {scores[-1] if scores else '–'}, {r['cpu_seconds']} CPU s"
        )
    return 0
