"""The study's cells, for ``python -m experiments sweep learning``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.learning import rows
from experiments.learning.plan import Cell, full, plan
from experiments.learning.training import clear, train


def cells(is_full: bool) -> list[dict[str, Any]]:
    """The settings of every run: ten seeds of six tasks, or what is committed."""
    return [asdict(cell) for cell in (full() if is_full else plan())]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row and the curve of one run; one that was killed goes on from its last checkpoint."""
    cell = Cell(**config)
    clear(folder / "run")
    found = rows.result(train(cell.config, folder / "run", cell.preset))
    return found["row"] | {"curve": found["curve"]}
