"""Read a run's files, also while it is being written, after it crashed, and where it is damaged."""

import os
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from qdiverge.errors import RunFolderError
from qdiverge.plain_text import few, plain, warn
from qdiverge.runs.alarm import AlarmEvent, read_alarm
from qdiverge.runs.alike_lines import AlikeLines, Table
from qdiverge.runs.array_files import read_npz
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.columns import RESERVED
from qdiverge.runs.event_lines import (
    BAD,
    LARGEST_STEP,
    NOT_FINITE,
    Damage,
    blocks,
    check_entry,
    read_block,
    read_sealed,
)
from qdiverge.runs.info import look_at_info
from qdiverge.thing_checks import check_path

EVENTS = "events.jsonl"
MOST_ARRAYS = 1024 * MIB  # bytes of one name that are read in all
LONGEST_NAME = 200  # characters of a run's name
Entry = dict[str, Any]


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
    """A run as read from its folder; ``is_torn`` says that its last line was cut off.

    ``damage`` names, in sentences, what is not what was written, and was left out.
    """

    folder: Path
    info: dict[str, Any]
    series: dict[str, Series]
    alarms: tuple[AlarmEvent, ...]
    syncs: tuple[Sync, ...] = ()
    is_torn: bool = False
    damage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the run's name, by default that of its folder."""
        name = plain(str(self.info.get("name", self.folder.name)))
        return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"

    def arrays(self, name: str) -> list[tuple[int, dict[str, np.ndarray]]]:
        """Return every saved ``(step, arrays)`` of that name, the oldest first.

        Arrays that are damaged, or larger than any run's, are left out with a warning.
        """
        place, pairs, size, left_out = Place.of(self.folder) / "arrays", [], 0, []
        for file in array_names(place, name):
            try:
                arrays = read_npz(place, file)
                size += sum(each.nbytes for each in arrays.values())
                if size > MOST_ARRAYS:
                    raise RunFolderError(
                        f"the arrays {name} of {self.folder} must have at most {MOST_ARRAYS:,} "
                        "bytes",
                        got="more",
                    )
            except (RunFolderError, OSError) as error:
                left_out.append(f"{error} It is left out.")
                if size > MOST_ARRAYS:
                    break
                continue
            pairs.append((step_of(file), arrays))
        for text in few(left_out):
            warn(text, stacklevel=3)
        return pairs


def array_names(place: Place, name: str = "") -> list[str]:
    """Return the files ``NAME-STEP.npz`` of a folder, sorted; of every name where none is given."""
    try:
        names = place.names(f"{name}-" if name else "", ".npz")
    except RunFolderError as error:
        warn(f"{error} They are left out.", stacklevel=4)
        return []
    named = [each for each in names if step_of(each) >= 0]
    return [each for each in named if not name or each.rpartition("-")[0] == name]


def step_of(file: str) -> int:
    """Return the step in the name of a file of arrays; −1 where it has none.

    >>> step_of("kernel-0000000030.npz"), step_of("kernel-x.npz")
    (30, -1)
    """
    number = file.removesuffix(".npz").rpartition("-")[2]
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 18 else -1


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run; a torn last line, left by a crash, is dropped, and so is what is damaged.

    Raises:
        RunFolderError: there is no run, it is of a newer schema, or its files are no regular ones.
    """
    folder = check_path("folder", folder)
    info, damage = look_at_info(folder)
    columns: dict[str, _Column] = {}
    alarms: list[AlarmEvent] = []
    syncs: list[Sync] = []
    damages: list[Damage] = []
    number, is_torn = 1, False
    alike = AlikeLines()
    for lines in _blocks(folder):
        if not lines.endswith(b"\n"):
            is_torn = True
            break
        others, damaged = _take(columns, alike, lines, number)
        damages += damaged
        alarms += [read_alarm(entry) for entry in others if entry["kind"] == "alarm"]
        syncs += [Sync(e["step"], e["update"]) for e in others if e["kind"] == "sync"]
        number += lines.count(b"\n")
    series = {name: column.series() for name, column in sorted(columns.items())}
    if is_torn and info.get("status", "running") != "running":
        damages.append(Damage(number, "its end was cut off"))
    damages_told = (*([damage] if damage else []), *_told(damages))
    return Run(folder, info, series, tuple(alarms), tuple(syncs), is_torn, damages_told)


def read_events(folder: str | os.PathLike[str]) -> list[Entry]:
    """Return the whole lines of a run's ``events.jsonl``, in their order.

    Lines that are damaged are left out with a warning.

    Raises:
        RunFolderError: it is no regular file.
    """
    folder = check_path("folder", folder)
    read: list[Entry] = []
    damages: list[Damage] = []
    number = 1
    for lines in _blocks(folder):
        if lines.endswith(b"\n"):
            entries, damaged = read_block(lines, number)
            read += entries
            damages += damaged
            number += lines.count(b"\n")
    for sentence in _told(damages):
        warn(f"{folder / EVENTS}: {sentence}", stacklevel=3)
    return read


def _blocks(folder: Path) -> Iterator[bytes]:
    try:
        file = Place.of(folder).open(EVENTS)
    except FileNotFoundError:
        return
    with file:
        yield from blocks(file)


def _told(damages: Sequence[Damage]) -> list[str]:
    """Say which lines were left out.

    >>> _told([Damage(7, "another CRC-32")])
    ['Line 7 of events.jsonl is not what was written, and is left out: another CRC-32.']
    """
    if not damages:
        return []
    first = damages[0]
    if len(damages) == 1:
        begin = f"Line {first.line} of {EVENTS} is not what was written, and is left out: "
        return [f"{begin}{plain(first.reason)}."]
    begin = f"{len(damages):,} lines of {EVENTS} are not what was written, and are left out; "
    return [f"{begin}the first is line {first.line:,}: {plain(first.reason)}."]


def _take(
    columns: dict[str, _Column], alike: AlikeLines, lines: bytes, number: int
) -> tuple[list[Entry], list[Damage]]:
    """Append a block's metrics to columns; return its other entries, and its damaged lines.

    The fastest way that can read the block is taken; all come to the same.
    """
    try:
        _append(columns, alike.tables(lines))
    except BAD:
        pass
    else:
        return [], []
    try:
        return _take_metrics(columns, read_sealed(lines)), []
    except BAD:
        entries, damages = read_block(lines, number)
        return _take_metrics(columns, entries), damages


def _take_metrics(columns: dict[str, _Column], entries: Sequence[Entry]) -> list[Entry]:
    """Append a block's metrics to columns, all or none; return the entries of other kinds.

    Raises:
        ValueError, or another of the like: something in them is no number, or an entry no entry.
    """
    metrics = [entry for entry in entries if entry["kind"] == "metrics"]
    others = [entry for entry in entries if entry["kind"] != "metrics"]
    for entry in others:
        check_entry(entry)
    _append(columns, _tables(metrics))
    return others


def _append(columns: dict[str, _Column], tables: Sequence[Table]) -> None:
    """Append tables to columns, all or none.

    Raises:
        ValueError, or another of the like: something in them is no number.
    """
    read: list[tuple[str, array[int], array[float]]] = []
    for table in tables:
        steps = array("q", table["step"])
        if not -LARGEST_STEP <= min(steps) <= max(steps) <= LARGEST_STEP:
            raise ValueError("no step")
        read += [(name, steps, _numbers(table[name])) for name in table if name not in RESERVED]
    for name, steps, values in read:
        if (column := columns.get(name)) is None:
            column = columns[name] = _Column()
        column.steps.extend(steps)
        column.values.extend(values)


def _tables(metrics: Sequence[Entry]) -> list[Table]:
    """Return entries as tables, name → values: one for all that have the same names.

    Where two tables have a metric in common, whose values must keep their order, a table ends
    where other names begin.
    """
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for entry in metrics:
        alike.setdefault(tuple(entry), []).append(entry)
    measured = [name for names in alike for name in names if name not in RESERVED]
    groups = list(alike.items())
    if len(set(measured)) < len(measured):
        groups = [(names, [*each]) for names, each in groupby(metrics, key=tuple)]
    tables = []
    for names, each in groups:
        rows = map(itemgetter(*names), each)
        tables.append(dict(zip(names, zip(*rows, strict=True), strict=True)))
    return tables


def _numbers(values: tuple[Any, ...]) -> "array[float]":
    try:
        return array("d", values)
    except TypeError:
        return array("d", [float(v) if v in NOT_FINITE else v for v in values])
