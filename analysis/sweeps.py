"""One row a cell of a sweep: its settings, what came of it, where and how long it ran."""

import os
from pathlib import Path
from typing import Any

from qdiverge.runs.table import read_table


def sweep_table(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return a row for each finished cell, also while the sweep goes on.

    Columns: ``key``, ``seconds``, ``attempts``, ``commit``, ``hardware``, the cell's settings as
    ``config.…``, and whatever its study measures.

    Args:
        path: The sweep's folder, or its table.

    Raises:
        RunFolderError: there is no table, or it is of another schema.
    """
    place = Path(path)
    table = read_table(place / "table.jsonl" if place.is_dir() else place)
    return [_row(entry) for entry in table.rows.values()]


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    about = {name: entry.get(name) for name in ("key", "seconds", "attempts", "commit", "hardware")}
    settings = {f"config.{name}": value for name, value in entry["config"].items()}
    return about | settings | entry["row"]
