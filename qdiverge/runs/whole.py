"""Files that are there whole or not at all: written aside, then renamed; see the boundary."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from qdiverge.errors import RunFolderError
from qdiverge.runs.boundary import Place


@contextmanager
def writing(target: Path, what: str = "file", remedy: str = "") -> Iterator[None]:
    """Write in this context, to ``target``; folders missing above it are made.

    Raises:
        RunFolderError: it cannot be written there.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except RunFolderError:
        raise
    except OSError as error:
        raise RunFolderError(
            f"{target} must be a {what} that can be written", got=error.strerror, remedy=remedy
        ) from error


@contextmanager
def written_whole(path: Path, mark: str = "") -> Iterator[BinaryIO]:
    """Give a file whose content takes the place of ``path`` when the context is left.

    Where the context fails, what was at ``path`` stays, and nothing is left beside it.

    Args:
        path: In a folder that exists.
        mark: Of the writer, where several write the same file at once.

    Raises:
        OSError: it cannot be written.
    """
    with Place.of(path.parent).writing(path.name, mark) as file:
        yield file


def write_whole(
    path: Path | tuple[Place, str], text: str, *, mark: str = "", is_flushed: bool = False
) -> Path:
    """Write ``text`` in UTF-8, whole or not at all; return its path.

    Args:
        path: In a folder that exists; or a folder of a run, and a name in it.
        text: All of it.
        mark: Of the writer, where several write the same file at once.
        is_flushed: Whether it is to be on the disk before it has its name.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    place, name = path if isinstance(path, tuple) else (Place.of(path.parent), path.name)
    with place.writing(name, mark) as file:
        file.write(text.encode())
        file.flush()
        if is_flushed:
            os.fsync(file.fileno())
    return place.path / name
