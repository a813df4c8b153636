"""How Q blows up under SGD and Adam, and how early the crash is foreseen (Yue et al. 2023)."""

from functools import partial

import numpy as np

from experiments.tables import Column, Record, grouped, print_table

LEADS = ((0.75, 1.0), (0.5, 0.75), (0.25, 0.5), (0.0, 0.25))  # shares of the run still ahead


def show(records: list[Record]) -> None:
    """Print a line for each optimiser and depth, seeds and widths together."""
    ordered = sorted(records, key=lambda record: (record["optimizer"], record["depth"]))
    groups = grouped(ordered, "optimizer", "depth").values()
    title = "dQ/dt ∝ Q^e: e over the seeds, least to largest, and the update of the end"
    print_table(title, LAW, groups)
    title = "forecasts of the end: median error in shares of the run, and intervals that cover it"
    print_table(title, FORECASTS, groups)


def spread(values: list[float]) -> str:
    """Return the mean, with the least and the largest.

    >>> spread([1.0, 3.0])
    '2.00 (1.00 to 3.00)'
    """
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def lead_errors(record: Record) -> np.ndarray:
    """Return each forecast's share of the run ahead, (T̂ − T)/T, and whether T is covered, [n, 3].

    A forecast that sees no growth has an infinite error; an unbounded end of an interval covers.
    """
    end, forecasts = record["end"], record["forecasts"]
    rows = []
    for at, time, lower, upper in zip(*forecasts.values(), strict=True):
        error = np.inf if time is None else (time - end) / end
        is_covered = (lower is None or lower <= end) and (upper is None or end <= upper)
        rows.append((1 - at / end, error, float(is_covered)))
    return np.array(rows).reshape(-1, 3)


def lead_cell(records: list[Record], least: float, most: float) -> str | None:
    """Return median error and coverage of the forecasts made with such a lead; None of none."""
    errors = np.concatenate(
        [lead_errors(r) for r in records if r["end"] is not None] or [np.empty((0, 3))]
    )
    errors = errors[(errors[:, 0] > least) & (errors[:, 0] <= most)]
    if not len(errors):
        return None
    return f"{np.median(errors[:, 1]):+.0%}, {int(errors[:, 2].sum())}/{len(errors)}"


NETWORK = (Column("optimiser", "optimizer", "<"), Column("L", "depth"))
LAW = (
    *NETWORK,
    Column("expected", "expected_exponent", ".2f"),
    Column("measured", lambda own: spread([r["exponent"] for r in own]), "<"),
    Column("end", lambda own: str([r["end"] for r in own]), "<"),
)
FORECASTS = (
    *NETWORK,
    *(
        Column(f"{most:.0%} – {least:.0%} left", partial(lead_cell, least=least, most=most))
        for least, most in LEADS
    ),
)
