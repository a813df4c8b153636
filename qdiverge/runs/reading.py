"""Read a run's files, also while it is being written and after it crashed."""

import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
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
class _Column:
    """A series that is being read, 16 bytes a number."""

    steps: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def series(self) -> Series:
        return Series(np.frombuffer(self.steps, np.int64), np.frombuffer(self.values))


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


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run; a torn last line, left by a crash, is dropped.

    Raises:
        RunFolderError: there is no run, it is of a newer schema, or a line before the last is torn.
    """
    folder = Path(folder)
    info = read_info(folder)
    columns: dict[str, _Column] = {}
    of_names: dict[tuple[str, ...], list[tuple[str, _Column]]] = {}  # lines of the same names
    alarms, syncs, is_torn = [], [], False
    for entry in _events(folder / "events.jsonl"):
        if entry is None:
            is_torn = True
        elif entry["kind"] == "metrics":
            if (wanted := of_names.get(names := tuple(entry))) is None:
                kept = [name for name in names if name not in RESERVED]
                wanted = [(name, columns.setdefault(name, _Column())) for name in kept]
                of_names[names] = wanted
            step = entry["step"]
            for name, column in wanted:
                column.steps.append(step)
                value = entry[name]
                column.values.append(value if value.__class__ is float else float(value))
        elif entry["kind"] == "alarm":
            alarms.append(read_alarm(entry))
        elif entry["kind"] == "sync":
            syncs.append(Sync(entry["step"], entry["update"]))
    series = {name: column.series() for name, column in sorted(columns.items())}
    return Run(folder, info, series, tuple(alarms), tuple(syncs), is_torn)


def read_events(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the whole lines of a run's ``events.jsonl``, in their order.

    Raises:
        RunFolderError: a line before the last is torn.
    """
    return [entry for entry in _events(Path(folder) / "events.jsonl") if entry is not None]


def _events(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the whole lines, one at a time; None at the end where something stands after them."""
    if not path.exists():
        return
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):  # what follows the last newline is torn
                yield None
                return
            try:
                entry = decode(line)
            except msgspec.DecodeError as error:
                raise RunFolderError(
                    f"{path}, line {number}, must be JSON",
                    got=line[:80].decode(errors="replace"),
                    remedy="Delete that line; the others are whole.",
                ) from error
            yield entry
