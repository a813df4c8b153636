"""The corpus as committed: two compressed tables, one for each split, read one at a time."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.foresight.cell import Cell
from experiments.foresight.outcomes import Outcome, outcome
from experiments.foresight.recorder import EVERY, FULL_EVERY
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import SCHEMA, StudyTable

RESULTS = Path(__file__).parent / "results"
SPLITS = ("train", "test")
COMMAND = "python -m experiments run foresight"


@dataclass(frozen=True, eq=False)
class Run:
    """One run of the corpus.

    Attributes:
        key: Of its cell.
        cell: Its settings.
        num_updates: Made until its end.
        learning_rate: α, which the relative step came to.
        light: Metric → values at updates EVERY, 2 EVERY, …, [T]; NaN where not measured.
        dear: Metric → values at updates FULL_EVERY, 2 FULL_EVERY, …, [M].
        outcome: What became of it.
        cpu_seconds: What it took.
        measuring_share: The share of that which the measurements took.
    """

    key: str
    cell: Cell
    num_updates: int
    learning_rate: float
    light: dict[str, np.ndarray]
    dear: dict[str, np.ndarray]
    outcome: Outcome
    cpu_seconds: float
    measuring_share: float

    @property
    def bound(self) -> float:
        """Return B = r_max/(1−γ), r_max = 1; also of n-step targets, Σ_{k<n} γ^k / (1−γⁿ)."""
        return 1 / (1 - self.cell.discount)

    @property
    def light_updates(self) -> np.ndarray:
        """Return when the light tier was measured, [T]."""
        return EVERY * np.arange(1, len(next(iter(self.light.values()))) + 1)

    @property
    def dear_updates(self) -> np.ndarray:
        """Return when the dear ones were, [M]."""
        return FULL_EVERY * np.arange(1, len(next(iter(self.dear.values()))) + 1)

    @property
    def end(self) -> int:
        """Return the last update of which it is known whether the values are within the bound."""
        return self.outcome.blow_up or self.num_updates


def pack(table: StudyTable, keys: set[str], folder: Path) -> None:
    """Write the two tables of a sweep, rows in the order of their keys, whole or not at all.

    Args:
        table: The sweep's.
        keys: Of the cells that belong to the corpus.
        folder: Where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        rows = sorted(
            (table.rows[key] for key in keys if table.rows[key]["config"]["split"] == split),
            key=lambda row: row["key"],
        )
        header = table.header | {"split": split}
        columns = ("key", "config", "row", "commit")
        lines = [header, *({name: row[name] for name in columns} for row in rows)]
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        aside = file(split, folder).with_suffix(".tmp")
        aside.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        aside.replace(file(split, folder))


def file(split: str, folder: Path = RESULTS) -> Path:
    """Return where the table of a split is."""
    return folder / f"{split}.jsonl.gz"


def digest(split: str, folder: Path = RESULTS) -> str:
    """Return the SHA-256 of a split's table."""
    return hashlib.sha256(file(split, folder).read_bytes()).hexdigest()


def load(split: str, folder: Path = RESULTS) -> tuple[dict[str, Any], list[Run]]:
    """Read one split: its header, and its runs.

    Raises:
        RunFolderError: it is missing, or of another schema.
    """
    path = file(split, folder)
    if not path.exists():
        raise RunFolderError(
            "the study needs its corpus", got=f"no {path}", remedy=f"Run: {COMMAND}"
        )
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    if lines[0].get("schema") != SCHEMA:
        raise RunFolderError(
            f"this version reads tables of schema {SCHEMA}", got=path, remedy=f"Run: {COMMAND}"
        )
    return lines[0], [as_run(line) for line in lines[1:]]


def as_run(line: dict[str, Any]) -> Run:
    """Return a row of the table as a run, labelled."""
    row, cell = line["row"], Cell(**line["config"])
    light, dear = (
        {name: np.array(values, dtype=np.float64) for name, values in row[tier].items()}
        for tier in ("light", "dear")
    )
    size = light["q_abs_max"]
    label = outcome(
        EVERY * np.arange(1, len(size) + 1),
        size,
        1 / (1 - cell.discount),
        is_cut=row["is_cut"],
        num_updates=row["num_updates"],
        srank=dear["srank"],
        dead_units=dear["dead_units"],
    )
    return Run(
        key=line["key"],
        cell=cell,
        num_updates=row["num_updates"],
        learning_rate=row["learning_rate"],
        light=light,
        dear=dear,
        outcome=label,
        cpu_seconds=row["cpu_seconds"],
        measuring_share=row["measuring_share"],
    )
