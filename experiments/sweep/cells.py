"""The cells of a sweep on disk: an idempotent folder each, named by the hash of its settings.

cells/KEY/config.json    the settings
cells/KEY/heartbeat      touched while a process works on it
cells/KEY/log.txt        what that process printed
cells/KEY/result.json    the row, once it is finished: written aside, then renamed
cells/KEY/failure.json   why the last attempt ended, where it did not finish
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
        """The first 12 hexadecimal digits of the hash of study and settings.

        >>> Cell("a", {"x": 1, "y": 2}, Path()).key == Cell("a", {"y": 2, "x": 1}, Path()).key
        True
        """
        text = json.dumps([self.study, self.config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.root / "cells" / self.key

    def result(self) -> dict[str, Any] | None:
        """The finished cell's entry; None where it is not finished."""
        path = self.folder / "result.json"
        return json.loads(path.read_text()) if path.exists() else None

    def failure(self) -> dict[str, Any] | None:
        """Why the last attempt failed; None where it did not, or was killed before it could say."""
        path = self.folder / "failure.json"
        return json.loads(path.read_text()) if path.exists() else None

    def prepare(self) -> None:
        """Make the folder, and forget the last attempt; its checkpoints stay."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / "config.json", self.config)
        (self.folder / "failure.json").unlink(missing_ok=True)
        (self.folder / "heartbeat").touch()

    def silence(self) -> float:
        """Seconds since its process last gave a sign of life."""
        try:
            return time.time() - (self.folder / "heartbeat").stat().st_mtime
        except FileNotFoundError:
            return 0.0


def write_whole(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_text(json.dumps(content, indent=1) + "\n")
    aside.replace(path)
