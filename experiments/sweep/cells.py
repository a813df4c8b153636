"""The cells of a sweep on disk: an idempotent folder each, named by the hash of its settings.

cells/KEY/config.json    the settings
cells/KEY/heartbeat      touched while a process works on it; none while it waits in a queue
cells/KEY/log.txt        what that process printed
cells/KEY/result.json    the row, once it is finished: written aside, then renamed
cells/KEY/failure.json   why the last attempt ended, where it did not finish

No link in the sweep's folder is followed, as in a run's.
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdiverge.errors import RunFolderError
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.strict_json import read_json
from qdiverge.runs.whole import write_whole

MOST = 64 * MIB  # of a cell's row


@dataclass(frozen=True)
class Cell:
    """One setting of a study.

    Attributes:
        study: Its name.
        config: The settings, JSON-serialisable.
        root: The sweep's folder.
    """

    study: str
    config: dict[str, Any]
    root: Path

    @property
    def key(self) -> str:
        """Return the first 12 hexadecimal digits of the hash of study and settings.

        >>> Cell("a", {"x": 1, "y": 2}, Path()).key == Cell("a", {"y": 2, "x": 1}, Path()).key
        True
        """
        text = json.dumps([self.study, self.config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Return where its files are."""
        return self.root / "cells" / self.key

    @property
    def place(self) -> Place:
        """Return the same, as that by which its files are opened."""
        return Place.of(self.root) / "cells" / self.key

    def result(self) -> dict[str, Any] | None:
        """Return the finished cell's entry; None where it is not finished, or its file damaged."""
        entry = self._read("result.json") or {}
        is_own = entry.get("key") == self.key and isinstance(entry.get("row"), dict)
        return entry | {"config": self.config} if is_own else None

    def failure(self) -> dict[str, Any] | None:
        """Return why the last attempt failed; None where it did not, or could not say."""
        return self._read("failure.json")

    def prepare(self) -> None:
        """Make the folder, and forget the last attempt; its checkpoints stay."""
        self.place.made(with_root=True)
        self.write("config.json", self.config)
        for name in ("failure.json", "heartbeat"):
            self.place.remove(name)

    def silence(self) -> float:
        """Return seconds since its process last gave a sign of life; 0 before the first one."""
        try:
            return time.time() - self.place.modified("heartbeat")
        except FileNotFoundError:
            return 0.0

    def beat(self) -> None:
        """Give a sign of life."""
        with self.place.open_own("heartbeat") as file:
            os.utime(file.fileno())

    def write(self, name: str, content: Any) -> None:
        """Write JSON, whole or not at all."""
        text = json.dumps(content, indent=1) + "\n"
        write_whole((self.place, name), text, mark=f".{os.getpid()}")

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            content, path = self.place.read(name, MOST), self.folder / name
            return read_json(content, dict[str, Any], path, has_infinity=True)
        except (OSError, RunFolderError):
            return None
