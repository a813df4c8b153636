"""What no run has in its folder: names that lead elsewhere, links, devices, too many bytes.

Each is refused by an error that says what it is, and what to do with it.
"""

import errno
import os
import stat
from pathlib import Path

from qdiverge.errors import StrangeFileError

LONGEST_NAME = 255  # bytes
SMALL = 1 << 24  # bytes of a file that is read whatever it holds
SPARSE = 256  # a file that is larger takes this part of its size on the disk, at least
MOST_PIECES = 1_000  # of a file that are looked at
KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_name(name: object) -> str:
    """Return the name of a file or folder where it is one, and no way to somewhere else.

    Raises:
        StrangeFileError: it holds a separator, is "..", too long, or no text.

    >>> check_name("replay-000001.npy")
    'replay-000001.npy'
    >>> check_name("../other")
    Traceback (most recent call last):
    qdiverge.errors.StrangeFileError: a file of a run must have a plain name; got '../other'. ...
    """
    is_plain = (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and not any(sign in name for sign in "/\\\0:")
        and len(name.encode("utf-8", "surrogateescape")) <= LONGEST_NAME
    )
    if not is_plain:
        raise StrangeFileError(
            "a file of a run must have a plain name",
            got=repr(name)[:80],
            remedy="A run of qdiverge has none such: do not trust where it comes from.",
        )
    assert isinstance(name, str)
    return name


def kind_of(mode: int) -> str:
    """Return "a file", "a folder", "a link" or another word for what has a mode, of ``os.stat``."""
    return KINDS.get(stat.S_IFMT(mode), "something else")


def not_a_file(path: Path, kind: str) -> StrangeFileError:
    """Return the error for something that is no regular file."""
    return StrangeFileError(
        f"{path} must be a regular file in the run's own folder",
        got=kind,
        remedy="Links are not followed: put a copy of the file there, or delete it.",
    )


def too_large(path: Path, size: int, most: int) -> StrangeFileError:
    """Return the error for more bytes than a run has there."""
    return StrangeFileError(
        f"{path} must have at most {most:,} bytes",
        got=f"{size:,}",
        remedy="No run of qdiverge has so many there: do not trust where it comes from.",
    )


def check_is_filled(descriptor: int, path: Path) -> None:
    """Refuse a large file of which next to nothing is on the disk: reading its zeros takes hours.

    A system that knows of no holes has none, and there every file passes.

    Args:
        descriptor: Of the open file; at its beginning, and left there.
        path: To be shown.

    Raises:
        StrangeFileError: it is sparse.
    """
    size, held, place = os.fstat(descriptor).st_size, 0, 0
    if size <= SMALL or not hasattr(os, "SEEK_DATA"):
        return
    try:
        for _ in range(MOST_PIECES):
            begin = os.lseek(descriptor, place, os.SEEK_DATA)
            place = os.lseek(descriptor, begin, os.SEEK_HOLE)
            held += place - begin
            if held >= size // SPARSE:
                return
    except OSError as error:
        if error.errno != errno.ENXIO:  # which says that there is nothing more
            return
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    raise StrangeFileError(
        f"{path} must be on the disk",
        got=f"{held:,} of its {size:,} bytes, a sparse file",
        remedy="A run of qdiverge has none such: do not trust where it comes from.",
    )


def not_a_folder(path: Path) -> StrangeFileError:
    """Return the error for something on the way that is no folder."""
    return StrangeFileError(
        f"{path} must be a folder in the run's own folder",
        got="a link, or no folder",
        remedy="Links are not followed: put the folder itself there, or delete it.",
    )
