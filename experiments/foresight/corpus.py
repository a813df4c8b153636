"""The corpus as committed: a compressed table for each split, read one at a time."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.foresight.cell import Cell
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import SCHEMA, StudyTable
from qdiverge.runs.whole import written_whole

RESULTS = Path(__file__).parent / "results"
SPLITS = ("dev", "test")
SWEEP = "python -m experiments sweep foresight"
COMMAND = f"{SWEEP}; python -m experiments foresight pack"


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the corpus: its settings, and its row of numbers, see ``sweep.run``."""

    cell: Cell
    row: dict[str, Any]

    @property
    def touched(self) -> int | None:
        """Return the first update after which max|Q| > B; None: it is sound."""
        touched: int | None = self.row["touched"]
        return touched

    @property
    def is_divergent(self) -> bool:
        """Return whether the values ever left what a policy can earn."""
        return self.touched is not None

    def judged_at(self, limit: float) -> Run:
        """Return it with the label that it passes so many B: when it passed B, if it ever does."""
        touched = self.touched if self.row["largest"] > limit else None
        return replace(self, row=self.row | {"touched": touched})


def pack(table: StudyTable, split: str, folder: Path) -> int:
    """Write a split's rows, in the order of their keys, whole or not at all; return how many.

    What it writes, unpacked, is a table that the sweep can go on with.
    """
    columns = ("key", "config", "row", "commit")
    rows = sorted(
        ({name: row[name] for name in columns} for row in table.rows.values()
         if row["config"]["split"] == split), key=lambda row: row["key"],
    )  # fmt: skip
    text = "".join(
        json.dumps(line, separators=(",", ":")) + "\n"
        for line in (table.header | {"split": split, "command": SWEEP}, *rows)
    )
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(file(split, folder)) as aside:
        aside.write(gzip.compress(text.encode(), 9, mtime=0))
    return len(rows)


def file(split: str, folder: Path = RESULTS) -> Path:
    """Return where the table of a split is."""
    return folder / f"{split}.jsonl.gz"


def digest(split: str, folder: Path = RESULTS) -> str:
    """Return the SHA-256 of a split's table."""
    return hashlib.sha256(file(split, folder).read_bytes()).hexdigest()


def load(split: str, folder: Path = RESULTS) -> tuple[dict[str, Any], list[Run]]:
    """Read one split: its header, and its runs but those that begin beyond the bound.

    Raises:
        RunFolderError: it is missing, or of another schema.
    """
    found = table(split, folder)
    runs = [as_run(row) for row in found.rows.values()]
    return found.header, [run for run in runs if run.touched != 0]


def as_run(row: dict[str, Any]) -> Run:
    """Return a run of a row of the table."""
    return Run(Cell(**row["config"]), row["row"])


def table(split: str, folder: Path = RESULTS) -> StudyTable:
    """Read one split as the table that it was packed from.

    Raises:
        RunFolderError: it is missing, or of another schema.
    """
    path = file(split, folder)
    if not path.exists():
        raise RunFolderError(
            "the study needs its corpus", got=f"no {path}", remedy=f"Run: {COMMAND}"
        )
    header, *lines = (json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines())
    if header.get("schema") != SCHEMA:
        raise RunFolderError(
            f"this version reads tables of schema {SCHEMA}", got=path, remedy=f"Run: {COMMAND}"
        )
    return StudyTable(folder, header, {line["key"]: line for line in lines})
