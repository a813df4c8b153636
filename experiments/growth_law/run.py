"""How Q blows up under SGD and Adam, and how early the crash is foreseen (Yue et al. 2023)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from qdiverge.runs.table import read_table

RESULTS = Path(__file__).parent / "results" / "reduced.jsonl"
LEADS = ((0.75, 1.0), (0.5, 0.75), (0.25, 0.5), (0.0, 0.25))  # shares of the run still ahead


def main(arguments: list[str]) -> int:
    """Print the tables; return the exit status."""
    parser = argparse.ArgumentParser(
        "python -m experiments growth_law",
        description=__doc__,
        epilog="The grid is run by `python -m experiments sweep growth_law`.",
    )
    parser.add_argument("--table", type=Path, default=RESULTS, help="default: the committed one")
    records = read_table(
        parser.parse_args(arguments).table, "python -m experiments sweep growth_law"
    ).records()
    print("dQ/dt ∝ Q^e: e over the seeds, least to largest, and the update of the end")
    print(f"{'optimiser':<10} {'L':>2}  expected  measured          end")
    for key, own in groups(records).items():
        e, ends = [r["exponent"] for r in own], [r["end"] for r in own]
        spread = f"{np.mean(e):.2f} ({min(e):.2f} to {max(e):.2f})"
        print(
            f"{key[0]:<10} {key[1]:>2}  {own[0]['expected_exponent']:>8.2f}  {spread:<16}  {ends}"
        )
    print("\nforecasts of the end: median error in shares of the run, and intervals that cover it")
    print(
        f"{'optimiser':<10} {'L':>2}  "
        + "".join(f"{f'{b:.0%} – {a:.0%} left':>22}" for a, b in LEADS)
    )
    for key, own in groups(records).items():
        print(
            f"{key[0]:<10} {key[1]:>2}  "
            + "".join(f"{lead_cell(own, *lead):>22}" for lead in LEADS)
        )
    return 0


def groups(records: list[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """The runs of each optimiser and depth, those of all seeds and widths together."""
    keys = sorted({(r["optimizer"], r["depth"]) for r in records}, reverse=True)
    return {
        key: [r for r in records if (r["optimizer"], r["depth"]) == key] for key in sorted(keys)
    }


def lead_errors(record: dict[str, Any]) -> np.ndarray:
    """Of each forecast of a run: share of the run ahead, (T̂ − T)/T, whether T is covered, [n, 3].

    A forecast that sees no growth has an infinite error; an unbounded end of an interval covers.
    """
    end, found = record["end"], record["forecasts"]
    rows = []
    for at, time, lower, upper in zip(*(found.get(k, []) for k in found), strict=True):
        error = np.inf if time is None else (time - end) / end
        is_covered = (lower is None or lower <= end) and (upper is None or end <= upper)
        rows.append((1 - at / end, error, float(is_covered)))
    return np.array(rows).reshape(-1, 3)


def lead_cell(records: list[dict[str, Any]], least: float, most: float) -> str:
    """Median error and coverage of the forecasts made with such a lead."""
    seen = np.concatenate(
        [lead_errors(r) for r in records if r["end"] is not None] or [np.empty((0, 3))]
    )
    seen = seen[(seen[:, 0] > least) & (seen[:, 0] <= most)]
    if not len(seen):
        return "–"
    return f"{np.median(seen[:, 1]):+.0%}, {int(seen[:, 2].sum())}/{len(seen)}"
