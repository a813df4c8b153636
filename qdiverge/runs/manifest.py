"""The manifest of a checkpoint: the size and the SHA-256 of every file in it, and of itself.

One flipped bit in a weight file loads without complaint; against the manifest it does not.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import convert

from qdiverge.errors import CheckpointError
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.strange_files import check_name
from qdiverge.runs.strict_json import strict_loads

NAME = "manifest.json"
SCHEMA = 1  # raised when an old reader would misread a new checkpoint
CHUNK = 1 << 20  # bytes read at a time
MOST = 16 * MIB  # of the manifest
MOST_FILES = 10_000


@dataclass(frozen=True)
class FileRecord:
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class HashedFile:
    """A binary file that is written once, from its beginning to its end, and hashed on the way."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._hash, self._bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview) -> int:
        """Append ``data``; how many bytes it was."""
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)
        return len(data)

    @property
    def record(self) -> FileRecord:
        """Return the size and the hash of what has been written so far."""
        return FileRecord(self._bytes, self._hash.hexdigest())


def dump(step: int, files: Mapping[str, FileRecord]) -> bytes:
    """Return the manifest of ``files`` as JSON.

    >>> sorted(json.loads(dump(8, {"a": FileRecord(1, "f00d")})))
    ['files', 'schema', 'sha256', 'step']
    """
    content = {
        "schema": SCHEMA,
        "step": step,
        "files": {name: asdict(record) for name, record in sorted(files.items())},
    }
    return json.dumps(content | {"sha256": _digest(content)}, indent=1).encode()


def load(place: Place) -> dict[str, FileRecord]:
    """Return the files that the checkpoint in a folder STEP must hold, by name.

    Raises:
        CheckpointError: there is no manifest, it is damaged, or of a newer schema.
    """
    folder, path = place.path, place.path / NAME
    try:
        content = strict_loads(place.read(NAME, MOST))
        digest = content.pop("sha256")
        is_intact = digest == _digest(content)
        if is_intact and content["schema"] > SCHEMA:
            raise CheckpointError(
                f"this version reads checkpoints of schema {SCHEMA} or older",
                got=f"schema {content['schema']} in {folder}",
                remedy="Upgrade: pip install -U qdiverge.",
            )
        if is_intact and str(content["step"]) == folder.name:
            files: dict[str, Any] = content["files"]
            if len(files) > MOST_FILES:
                raise damaged(path, f"{len(files):,} files, more than {MOST_FILES:,}")
            return {check_name(name): convert(files[name], FileRecord) for name in files}
    except FileNotFoundError as error:
        raise CheckpointError(f"there must be a checkpoint in {folder}", got="none") from error
    except CheckpointError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, getattr(error, "strerror", None) or type(error).__name__) from error
    raise damaged(path, "another SHA-256 or step")


def check(place: Place, name: str, expected: FileRecord) -> None:
    """Read a file of a checkpoint once, and compare it with its record.

    Raises:
        CheckpointError: it is missing or not what it was.
    """
    digest, path = hashlib.sha256(), place.path / name
    try:
        with place.open(name) as file:
            size = os.fstat(file.fileno()).st_size
            if size != expected.bytes:
                raise damaged(path, f"{size} bytes for {expected.bytes}")
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise damaged(path, error.strerror) from error
    if digest.hexdigest() != expected.sha256:
        raise damaged(path, "another SHA-256")


def damaged(path: Path, got: str | None) -> CheckpointError:
    """Return the error for a file that is not what the manifest says."""
    return CheckpointError(f"{path} must be as it was written", got=got or "an error")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
