"""Does training under a hard target period do what the kernels of its start foresee?"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from analysis.statistics import wilson_interval
from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"
KINDS = ("known", "random", "network")


def main(arguments: list[str]) -> int:
    """Print the advice and the confusion table; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments target_period",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep target_period`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep target_period"
    ).records()
    print("stable periods C as foreseen, and in training where that differs")
    for r in records:
        fitted = "–" if r["fitted_radius"] is None else f"{r['fitted_radius']:.3f}"
        foreseen, trained = (_stable(r, how) for how in ("foreseen", "trained"))
        print(
            f"{r['kind']:<8} {r['name']:<20} {r['seed']:>2}  ρ(B_1) {r['td_radius']:.4f}  "
            f"ρ(Γ) {fitted:>7}  {foreseen}{'' if foreseen == trained else f'  trained: {trained}'}"
        )
    print("\nproblem and period pairs, by whether they are stable: foreseen → in training")
    for kind in KINDS:
        counts = confusion(r for r in records if r["kind"] == kind)
        right, total = counts[True, True] + counts[False, False], sum(counts.values())
        if not total:
            continue
        low, high = wilson_interval(right, total)
        print(
            f"{kind:<8} stable → stable {counts[True, True]}, unstable {counts[True, False]};  "
            f"unstable → stable {counts[False, True]}, unstable {counts[False, False]};  "
            f"right {right} of {total} [{low:.0%}, {high:.0%}]"
        )
    print("\nproblems in each quarter of the advice table: ρ(B_1) < 1, ρ(Γ) < 1")
    for (is_td, is_fitted), count in sorted(quarters(records).items(), reverse=True):
        print(f"{is_td!s:<6} {is_fitted!s:<6} {count}")
    return 0


def confusion(records: Any) -> Counter[tuple[bool, bool]]:
    """Count (foreseen stable, stable in training) over the problems and periods."""
    return Counter(
        pair
        for r in records
        for pair in zip(
            r["periods"]["foreseen_stable"], r["periods"]["trained_stable"], strict=True
        )
    )


def quarters(records: list[dict[str, Any]]) -> Counter[tuple[bool, bool]]:
    """Count the problems by (ρ(B_1) < 1, ρ(Γ) < 1), where Γ exists."""
    known = [r for r in records if r["fitted_radius"] is not None]
    return Counter((r["td_radius"] < 1, r["fitted_radius"] < 1) for r in known)


def _stable(record: dict[str, Any], how: str) -> list[int]:
    """The periods that are stable, "foreseen" or "trained"."""
    periods = record["periods"]
    pairs = zip(periods["period"], periods[f"{how}_stable"], strict=True)
    return [period for period, is_stable in pairs if is_stable]
