"""The study's cells, for ``python -m experiments sweep bottlenecks``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.bottlenecks.cell import Cell
from experiments.bottlenecks.fqi import projection_error, run_cell
from experiments.bottlenecks.grid import full, reduced


def cells(is_full: bool) -> list[dict[str, Any]]:
    """The settings of every cell: the paper's grid, or one for a laptop."""
    return [asdict(cell) for cell in (full() if is_full else reduced())]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The measures of one cell, seed by seed; nothing is kept in ``folder``."""
    cell = Cell(**config)
    seeds = run_cell(cell)
    if cell.study == "architectures":
        for seed, error in zip(seeds, projection_error(cell), strict=True):
            seed["projection_error"] = error
    return {"seeds": seeds}
