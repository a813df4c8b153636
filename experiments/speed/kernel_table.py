"""The table: one row for each case and method, as CSV, JSON and Markdown."""

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from experiments.speed.methods import OURS
from experiments.speed.record import save
from experiments.tables import markdown

MEASURED, NOT_INSTALLED = "measured", "not installed"


@dataclass(frozen=True)
class Row:
    """One method on one case; None where it was not measured.

    Attributes:
        case: Its label.
        network: The network's name.
        num: N.
        actions: "chosen" or "all".
        method: The method's name.
        version: Its package's version.
        status: "measured", "not installed", or why not.
        calls: How often it was timed.
        clock: "wall", or "cpu": processor time, of all threads together.
        least_ms: Least time of a call.
        median_ms: Median time of a call.
        ratio: Its least time over ours.
        times_floor: Its least time over ``floor_ms``.
        peak_mb: Peak memory in a fresh process (10⁶ bytes).
        error: max |K − K₆₄| / max |K₆₄|.
        floor_gflop: The floor's operations, 10⁹ additions and multiplications.
        floor_ms: The time they take at the best measured matrix rate.
    """

    case: str
    network: str
    num: int
    actions: str
    method: str
    version: str | None
    status: str
    calls: int = 0
    clock: str = "wall"
    least_ms: float | None = None
    median_ms: float | None = None
    ratio: float | None = None
    times_floor: float | None = None
    peak_mb: float | None = None
    error: float | None = None
    floor_gflop: float | None = None
    floor_ms: float | None = None


def write(folder: Path, name: str, rows: list[Row], record: dict[str, Any]) -> list[Path]:
    """Write NAME.csv, NAME.json (with ``record``: where the numbers come from) and NAME.md."""
    content = record | {"rows": [{k: _rounded(v) for k, v in asdict(r).items()} for r in rows]}
    paths = [folder / f"{name}.csv", save(content, folder, name), folder / f"{name}.md"]
    with paths[0].open("w", newline="") as file:
        writer = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(content["rows"])
    paths[2].write_text(text(rows) + "\n")
    return paths


def text(rows: list[Row]) -> str:
    """Return a Markdown table for each case."""
    titles = ("method", "least, ms", "median, ms", "× ours", "× floor", "peak, MB", "error")
    parts = []
    for label in dict.fromkeys(row.case for row in rows):
        own = [row for row in rows if row.case == label]
        floor = f"floor {own[0].floor_gflop:.3g} GFLOP, {own[0].floor_ms:.3g} ms"
        parts.append(f"**{label}** ({floor})\n\n{markdown(titles, map(_line, own))}")
    return "\n\n".join(parts)


def _line(row: Row) -> tuple[str, ...]:
    name = f"**{row.method}**" if row.method == OURS else row.method
    if row.version and not row.method.startswith((OURS, "torch.func")):
        name += f" {row.version}"
    if row.status != MEASURED:
        return name, row.status
    peak = "–" if row.peak_mb is None else f"{row.peak_mb:,.0f}"
    numbers = (row.least_ms, row.median_ms, row.ratio, row.times_floor)
    return name, *map(_digits, numbers), peak, f"{row.error:.0e}"


def _digits(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
