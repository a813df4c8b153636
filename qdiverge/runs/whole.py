"""Files that are there whole or not at all: written aside, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qdiverge.errors import RunFolderError


@contextmanager
def writing(target: Path, what: str = "file", remedy: str = "") -> Iterator[None]:
    """Write in this context, to ``target``; folders missing above it are made.

    Raises:
        RunFolderError: it cannot be written there.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RunFolderError(
            f"{target} must be a {what} that can be written", got=error.strerror, remedy=remedy
        ) from error


@contextmanager
def written_whole(path: Path, mark: str = "") -> Iterator[Path]:
    """Give a path beside ``path``, whose content takes its place when the context is left.

    Where the context fails, what was at ``path`` stays, and nothing is left beside it.

    Args:
        path: In a folder that exists.
        mark: Of the writer, where several write the same file at once.

    Raises:
        OSError: it cannot be written.
    """
    aside = path.with_name(f"{path.name}{mark}.tmp")
    try:
        yield aside
        os.replace(aside, path)
    finally:
        with suppress(OSError):
            aside.unlink()


def write_whole(path: Path, text: str, *, mark: str = "", is_flushed: bool = False) -> Path:
    """Write ``text`` in UTF-8, whole or not at all; return ``path``.

    Args:
        path: In a folder that exists.
        text: All of it.
        mark: Of the writer, where several write the same file at once.
        is_flushed: Whether it is to be on the disk before it has its name.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    with written_whole(path, mark) as aside, aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if is_flushed:
            os.fsync(file.fileno())
    return path
