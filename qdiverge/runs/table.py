"""A study's table: one JSON line for each finished cell under a header that says where it is from.

    {"schema": 1, "study": NAME, "command": …, "commit": …, "hardware": …, "versions": …}
    {"key": …, "config": {…}, "row": {…}, "seconds": …, "attempts": …, "commit": …}

Lines are appended as cells finish, so that a crash loses none. A line that is none of these, torn
or damaged, is passed over: its cell runs again. Links are not followed.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdiverge.errors import RunFolderError
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.strict_json import strict_loads

SCHEMA = 1  # raised when an old reader would misread a new table
MOST = 1024 * MIB


@dataclass(frozen=True)
class StudyTable:
    """A table as read from its file.

    Attributes:
        path: Its file.
        header: Provenance of the sweep that began it.
        rows: One for each cell, by key; of a key that stands twice the last counts.
    """

    path: Path
    header: dict[str, Any]
    rows: dict[str, dict[str, Any]]

    def records(self) -> list[dict[str, Any]]:
        """Return each cell's settings and results side by side, flat: what most analyses want."""
        return [{**row["config"], **row["row"]} for row in self.rows.values()]


def begin_table(path: str | os.PathLike[str], header: Mapping[str, Any]) -> None:
    """Make a new table with its header.

    Raises:
        RunFolderError: there is one already.
    """
    try:
        with Place.of(Path(path).parent).create(Path(path).name) as file:
            file.write(json.dumps({"schema": SCHEMA, **header}).encode() + b"\n")
    except FileExistsError as error:
        raise RunFolderError("a new table must not exist yet", got=path) from error


def append_row(path: str | os.PathLike[str], row: Mapping[str, Any]) -> None:
    """Append the row of a cell; after a newline where the last line was torn.

    Raises:
        StrangeFileError: that is no regular file.
        OSError: it cannot be written, or the disk is full.
    """
    with Place.of(Path(path).parent).open_own(Path(path).name) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 1, 0))
        is_torn = size > 0 and file.read(1) != b"\n"
        line = (b"\n" if is_torn else b"") + json.dumps(row).encode() + b"\n"
        while line:  # of a full disk the next write says so
            line = line[file.write(line) :]


def read_table(path: str | os.PathLike[str], command: str = "") -> StudyTable:
    """Read a table, also while it is being written.

    Args:
        path: Its file.
        command: What makes it, for the error where it is missing.

    Raises:
        RunFolderError: it is missing, no regular file, has no header, or is of another schema.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     begin_table(f"{folder}/t.jsonl", {"study": "x"})
    ...     append_row(f"{folder}/t.jsonl", {"key": "a", "config": {"n": 1}, "row": {"y": 2.0}})
    ...     read_table(f"{folder}/t.jsonl").records()
    [{'n': 1, 'y': 2.0}]
    """
    path = Path(path)
    remedy = f"Make it: {command}" if command else "Run its sweep: python -m experiments sweep NAME"
    try:
        content = Place.of(path.parent).read(path.name, MOST)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunFolderError(
            "the study must have a table", got=f"no {path}", remedy=remedy
        ) from error
    entries = [each for line in content.splitlines() if (each := _entry(line)) is not None]
    if not entries or entries[0].get("schema") != SCHEMA:
        got = f"schema {entries[0].get('schema')}" if entries else "no whole line"
        raise RunFolderError(
            f"this version reads tables of schema {SCHEMA}", got=f"{got} in {path}", remedy=remedy
        )
    return StudyTable(path, entries[0], {row["key"]: row for row in entries[1:] if _is_row(row)})


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = strict_loads(line, has_infinity=True)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _is_row(entry: Mapping[str, Any]) -> bool:
    parts = {"key": str, "config": dict, "row": dict}
    return all(isinstance(entry.get(name), kind) for name, kind in parts.items())
