"""PreQN against DDPG, TD3 and SAC on continuous control (Achiam et al. 2019)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from experiments.control.sweep import FULL, cells
from experiments.learning.rows import mean_with_interval
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"
AGAIN = "python -m experiments sweep control"
HEAD = "method    seeds  greedy return, mean of seeds [95 %]   last quarter   alignment   accepted"


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments control",
        description=__doc__,
        epilog=f"The grid is run by `{AGAIN}`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    options = parser.parse_args(arguments)
    found = read_table(options.table, AGAIN)
    records = found.records()
    for task in FULL:
        own = [record for record in records if record["environment"] == task]
        if not own:
            print(f"{task}: not run; --full has it\n")
            continue
        print(f"{task}, {own[0]['length']:,} agent steps")
        print(HEAD)
        for method in dict.fromkeys(record["method"] for record in own):
            print(line(method, [record for record in own if record["method"] == method]))
        print()
    header, done = found.header, len(records)
    print(f"{done} of the {len(cells(is_full=False))} cells of the reduced grid have been run")
    print(f"{header['command']}, commit {header['commit']}, {header['started'][:10]}")
    return 0


def line(method: str, records: list[dict[str, Any]]) -> str:
    """One row of the table: everything averaged over seeds."""
    greedy = mean_with_interval(np.array([np.mean(record["greedy"]) for record in records]))
    low, high = greedy["interval"]
    interval = f"[{low:,.1f}, {high:,.1f}]" if len(records) > 1 else "[one seed]"
    accepted = [record["accepted"] for record in records if record["accepted"] is not None]
    alignments = [value for record in records for value in record["alignments"]]
    late = float(np.mean([last_quarter(record) for record in records]))
    return (
        f"{method:<9} {len(records):>5}  {greedy['mean']:>12,.1f} {interval}".ljust(54)
        + f" {late:>12,.1f}   {_mean(alignments):>9}   {_mean(accepted):>8}"
    )


def last_quarter(record: dict[str, Any]) -> float:
    """Mean return of the training episodes that ended in the last quarter of the run."""
    steps, returns = np.array(record["episode_steps"]), np.array(record["returns"])
    return float(returns[steps > 0.75 * record["length"]].mean())


def _mean(values: list[float]) -> str:
    """Of what is a number: a step that was refused moved nothing, so that nothing is aligned."""
    return f"{np.nanmean(values):.3f}" if values else "–"
