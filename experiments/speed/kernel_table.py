"""The table: one row for each case and method, as CSV, JSON and Markdown."""

import csv
from pathlib import Path
from typing import Any

from experiments.speed.methods import OURS
from experiments.speed.record import save
from experiments.tables import Record, markdown
from qdiverge.runs.whole import write_whole

MEASURED, NOT_INSTALLED = "measured", "not installed"

COLUMNS = (  # None where a method was not measured
    "case", "network", "num", "actions",  # its label; the network's name; N; "chosen" or "all"
    "method", "version", "status",  # of its package; "measured", "not installed", or why not
    "calls", "clock",  # how often it was timed; "wall", or "cpu": of all threads together
    "least_ms", "median_ms",  # of a call
    "ratio", "times_floor",  # its least time over ours, over ``floor_ms``
    "peak_mb",  # peak memory in a fresh process (10⁶ bytes)
    "error",  # max |K − K₆₄| / max |K₆₄|
    "floor_gflop",  # the floor's operations, 10⁹ additions and multiplications
    "floor_ms",  # the time they take at the best measured matrix rate
)  # fmt: skip


def write(folder: Path, name: str, rows: list[Record], record: Record) -> list[Path]:
    """Write NAME.csv, NAME.json (with ``record``: where the numbers come from) and NAME.md."""
    content = record | {"rows": [{k: _rounded(v) for k, v in row.items()} for row in rows]}
    paths = [folder / f"{name}.csv", save(content, folder, name), folder / f"{name}.md"]
    with paths[0].open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(content["rows"])
    write_whole(paths[2], text(rows) + "\n")
    return paths


def text(rows: list[Record]) -> str:
    """Return a Markdown table for each case."""
    titles = ("method", "least, ms", "median, ms", "× ours", "× floor", "peak, MB", "error")
    parts = []
    for label in dict.fromkeys(row["case"] for row in rows):
        own = [row for row in rows if row["case"] == label]
        floor = f"floor {own[0]['floor_gflop']:.3g} GFLOP, {own[0]['floor_ms']:.3g} ms"
        parts.append(f"**{label}** ({floor})\n\n{markdown(titles, map(_line, own))}")
    return "\n\n".join(parts)


def _line(row: Record) -> tuple[str, ...]:
    name = f"**{row['method']}**" if row["method"] == OURS else row["method"]
    if row["version"] and not row["method"].startswith((OURS, "torch.func")):
        name += f" {row['version']}"
    if row["status"] != MEASURED:
        return name, row["status"]
    peak = "–" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f}"
    numbers = (row["least_ms"], row["median_ms"], row["ratio"], row["times_floor"])
    return name, *map(_digits, numbers), peak, f"{row['error']:.0e}"


def _digits(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
