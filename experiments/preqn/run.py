"""PreQN beside DQN with and without a target network: returns, alignment, cost (Achiam 2019)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from analysis.statistics import bootstrap_interval
from experiments.preqn import held_out
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"
KEY = ("environment", "method", "step")


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments preqn",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep preqn`.",
    )
    parser.add_argument(
        "--held-out",
        type=int,
        metavar="SEEDS",
        help="instead: where a step moves pairs outside of its batch (15 s a seed)",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    options = parser.parse_args(arguments)
    if options.held_out is not None:
        held_out.show(options.held_out)
        return 0
    records = read_table(options.table, "python -m experiments sweep preqn").records()
    print("means over seeds with 95 % bootstrap intervals over them")
    print(
        f"{'task':<20} {'method':<10} {'step':>6} {'greedy return':>20} {'last 20 episodes':>22} "
        f"{'cos(ΔQ, δ)':>10} {'max|Q|':>8} {'CPU ms/update':>13}"
    )
    for (task, method, step), own in groups(records).items():
        cost = np.mean([1_000 * r["cpu_seconds"] / r["updates"] for r in own])
        print(
            f"{task:<20} {method:<10} {step:>6g} {_interval(own, 'greedy'):>20} "
            f"{_interval(own, 'last_20'):>22} {_mean(own, 'mean_alignment'):>10.2f} "
            f"{max(r['max_abs_q'] for r in own):>8.3g} {cost:>13.1f}"
        )
    return 0


def groups(records: list[dict[str, Any]]) -> dict[tuple[str, str, float], list[dict[str, Any]]]:
    """The seeds of each task, method and step."""
    found: dict[tuple[str, str, float], list[dict[str, Any]]] = {}
    for record in records:
        found.setdefault(tuple(record[name] for name in KEY), []).append(record)
    return found


def _mean(records: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([np.nan if r[name] is None else r[name] for r in records]))


def _interval(records: list[dict[str, Any]], name: str) -> str:
    known = np.array([[r[name]] for r in records if r[name] is not None], dtype=float)
    if not len(known):
        return "–"
    low, high = bootstrap_interval(known, statistic=lambda x: float(x.mean()))
    return f"{known.mean():.3g} [{low:.3g}, {high:.3g}]"
