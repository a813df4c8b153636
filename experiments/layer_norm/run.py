"""Whether LayerNorm takes away the self-excitation that makes Q diverge (Yue et al. 2023)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from analysis.statistics import wilson_interval
from experiments.layer_norm.data import TASKS
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"
PICKS: dict[str, Callable[[list[float]], float]] = {
    "first": itemgetter(0), "last": itemgetter(-1), "largest": max,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments layer_norm",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep layer_norm`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep layer_norm"
    ).records()
    print(
        "max Re eig(A) in units of λ_max(K), median over seeds: at the start, largest, at the end"
    )
    for task, layer_norm in product((*TASKS, "all"), (False, True)):
        own = [r for r in records if r["layer_norm"] == layer_norm and task in (r["task"], "all")]
        low, high = wilson_interval(sum(r["diverged"] for r in own), len(own))
        looks = " ".join(f"{excitation(own, when):>9.2g}" for when in ("first", "largest", "last"))
        size = median(max(r["max_abs_q"]) for r in own)
        count, name = sum(r["diverged"] for r in own), "LayerNorm" if layer_norm else "without"
        print(
            f"{task:<12} {name:<10} {looks}   max|Q| {size:.3g}, "
            f"diverged {count} of {len(own)} [{low:.0%}, {high:.0%}]"
        )
    return 0


def excitation(records: list[dict[str, Any]], when: str) -> float:
    """Median over runs of max Re eig(A)/λ_max(K): at the "first" look, the "last", or "largest"."""
    return median(PICKS[when](record["relative_excitation"]) for record in records)
