"""Results on disk: one line of JSON a cell, appended; a torn last line is dropped."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.bottlenecks.cell import Cell
from experiments.bottlenecks.fqi import projection_error, run_cell


def compute(cell: Cell) -> dict[str, Any]:
    """Return the record of one cell."""
    record: dict[str, Any] = {"key": cell.key, "cell": asdict(cell), "seeds": run_cell(cell)}
    if cell.study == "architectures":
        for seed, error in zip(record["seeds"], projection_error(cell), strict=True):
            seed["projection_error"] = error
    return record


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records by key."""
    found = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue  # torn by an interruption: the cell runs again
        found[record["key"]] = record
    return found


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one line, after a newline where the last one was torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        file.write(("\n" if is_torn else "") + json.dumps(record) + "\n")
