"""The table behind a figure: columns, and where they come from."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdiverge.errors import RunFolderError

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and the provenance of their numbers."""

    columns: dict[str, list[Any]]
    provenance: dict[str, Any]

    @property
    def source(self) -> str:
        """Two small lines for the foot of a figure."""
        p = self.provenance
        versions = ", ".join(f"{k} {p['versions'][k]}" for k in ("qdiverge", "torch", "numpy"))
        return f"{p['command']}\ncommit {p['commit']} · {versions} · {p['started'][:10]}"


def save(name: str, table: Table, folder: Path = DATA) -> Path:
    """Write ``NAME.json``, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path, aside = folder / f"{name}.json", folder / f"{name}.json.tmp"
    content = {"provenance": table.provenance, "columns": table.columns}
    aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    aside.replace(path)
    return path


def load(name: str, folder: Path = DATA) -> Table:
    """Read the table of a figure.

    Raises:
        RunFolderError: it is not there, or its columns differ in length; the command is named.
    """
    path, remedy = folder / f"{name}.json", f"Run: python -m paper_figures {name} --rerun"
    if not path.exists():
        raise RunFolderError(f"the table {path.name} was expected", got="none", remedy=remedy)
    content = json.loads(path.read_text(encoding="utf-8"))
    lengths = {len(column) for column in content["columns"].values()}
    if len(lengths) != 1:
        raise RunFolderError(
            f"columns of one length in {path.name}", got=sorted(lengths), remedy=remedy
        )
    return Table(content["columns"], content["provenance"])


def write_csv(table: Table, path: Path) -> None:
    """Write the columns as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(zip(*table.columns.values(), strict=True))
