"""The cells of a sweep on disk: an idempotent folder each, named by the hash of its settings.

cells/KEY/config.json    the settings
cells/KEY/heartbeat      touched while a process works on it; none while it waits in a queue
cells/KEY/log.txt        what that process printed
cells/KEY/result.json    the row, once it is finished: written aside, then renamed
cells/KEY/failure.json   why the last attempt ended, where it did not finish
"""

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdiverge.runs.whole import write_whole


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

    def result(self) -> dict[str, Any] | None:
        """Return the finished cell's entry; None where it is not finished, or its file is torn."""
        return _read(self.folder / "result.json")

    def failure(self) -> dict[str, Any] | None:
        """Return why the last attempt failed; None where it did not, or could not say."""
        return _read(self.folder / "failure.json")

    def prepare(self) -> None:
        """Make the folder, and forget the last attempt; its checkpoints stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "config.json", self.config)
        for name in ("failure.json", "heartbeat"):
            (self.folder / name).unlink(missing_ok=True)

    def silence(self) -> float:
        """Return seconds since its process last gave a sign of life; 0 before the first one."""
        try:
            return time.time() - (self.folder / "heartbeat").stat().st_mtime
        except FileNotFoundError:
            return 0.0


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return content


def write_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1) + "\n", mark=f".{os.getpid()}")
