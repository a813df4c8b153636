"""Read a run's files, also while it is being written and after it crashed."""

import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qdiverge.errors import RunFolderError
from qdiverge.runs.alarm import AlarmEvent, read_alarm
from qdiverge.runs.columns import RESERVED
from qdiverge.runs.info import read_info


@dataclass(frozen=True)
class Series:
    """One metric over a run.

    Attributes:
        steps: Where it was measured, int64 [T], in the run's step unit.
        values: What was measured, float64 [T]; NaN and infinities are results, too.
    """

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Sync:
    """A change of the target network, seen at this step before this update."""

    step: int
    update: int


@dataclass(frozen=True)
class Run:
    """A run as read from its folder; ``is_torn`` says that its last line was cut off."""

    folder: Path
    info: dict[str, Any]
    series: dict[str, Series]
    alarms: tuple[AlarmEvent, ...]
    syncs: tuple[Sync, ...] = ()
    is_torn: bool = False

    @property
    def name(self) -> str:
        """Return the run's name, by default that of its folder."""
        return str(self.info.get("name", self.folder.name))

    def arrays(self, name: str) -> list[tuple[int, dict[str, np.ndarray]]]:
        """Return every saved ``(step, arrays)`` of that name, the oldest first."""
        pairs = []
        for path in sorted((self.folder / "arrays").glob(f"{name}-*.npz")):
            with np.load(path, allow_pickle=False) as archive:
                pairs.append((int(path.stem.rpartition("-")[2]), dict(archive)))
        return pairs


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Return whether the folder holds a run."""
    return (Path(folder) / "run.json").is_file()


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run; a torn last line, left by a crash, is dropped.

    Raises:
        RunFolderError: there is no run, it is of a newer schema, or a line before the last is torn.
    """
    folder = Path(folder)
    info = read_info(folder)
    points: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
    alarms, syncs = [], []
    entries, is_torn = _events(folder / "events.jsonl")
    for entry in entries:
        if entry["kind"] == "alarm":
            alarms.append(read_alarm(entry))
        elif entry["kind"] == "sync":
            syncs.append(Sync(entry["step"], entry["update"]))
        elif entry["kind"] == "metrics":
            for key in entry.keys() - RESERVED:
                points[key].append((entry["step"], float(entry[key])))
    series = {
        key: Series(
            np.array([step for step, _ in column], dtype=np.int64),
            np.array([value for _, value in column], dtype=np.float64),
        )
        for key, column in sorted(points.items())
    }
    return Run(folder, info, series, tuple(alarms), tuple(syncs), is_torn)


def read_events(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the whole lines of a run's ``events.jsonl``, in their order.

    Raises:
        RunFolderError: a line before the last is torn.
    """
    return _events(Path(folder) / "events.jsonl")[0]


def _events(path: Path) -> tuple[list[dict[str, Any]], bool]:
    """Return the whole lines, and whether something stands after the last of them."""
    lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else []
    entries = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise RunFolderError(
                f"{path}, line {number}, must be JSON",
                got=line[:80],
                remedy="Delete that line; the others are whole.",
            ) from error
    return entries, bool(lines) and lines[-1] != ""
