"""How far the maximum over estimates is too large, and what double estimators mend (2016)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from analysis.statistics import bootstrap_interval
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"


def main(arguments: list[str]) -> int:
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments overestimation",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep overestimation`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep overestimation"
    ).records()
    print("m actions of value 0, standard normal errors: means over 10,000 sets of estimates")
    print(f"{'m':>5} {'√(C/(m−1))':>11} {'single':>14} {'double':>15}")
    for r in (r for r in records if r["kind"] == "estimates"):
        single, double = (f"{r[k]:.3f} ± {r[k + '_error']:.3f}" for k in ("single", "double"))
        print(f"{r['num_actions']:>5} {r['bound']:>11.3f} {single:>15} {double:>15}")
    print("\nten actions fitted without noise: mean error of the maximum over the states")
    for r in (r for r in records if r["kind"] == "fits"):
        name = f"{r['function']}, degree {r['degree']}"
        print(f"{name:<16} single {r['mean_single']:+.3f}, double {r['mean_double']:+.3f}")
    print("\nagents, second half of training: max_a Q less the return of the greedy policy")
    for (task, rule), biases in late_biases(records).items():
        low, high = bootstrap_interval(biases[:, None], statistic=lambda x: float(x.mean()))
        print(
            f"{task:<16} {rule:<10} {biases.mean():+.1f} [{low:+.1f}, {high:+.1f}] over "
            f"{len(biases)} seeds: {', '.join(f'{b:+.1f}' for b in biases)}"
        )
    return 0


def late_biases(records: list[dict[str, Any]]) -> dict[tuple[str, str], np.ndarray]:
    """Predicted minus realised return of each seed, by task and bootstrap rule."""
    found: dict[tuple[str, str], list[float]] = {}
    for r in (r for r in records if r["kind"] == "agent"):
        found.setdefault((r["environment"], r["bootstrap"]), []).append(r["late_bias"])
    return {key: np.array(values) for key, values in found.items()}
