"""An open folder of a run, and the files in it: no link is followed, on the way or at its end.

Each folder is opened from the one above (``openat``), so that nothing can be put in the way between
a look and an opening. A file must be a regular one, which is checked once it is open and without
waiting: a FIFO would wait for ever. Where the system has no ``openat`` (Windows), each part of the
path is looked at before it is used.
"""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from qdiverge.runs.strange_files import (
    check_is_filled,
    check_name,
    kind_of,
    not_a_file,
    not_a_folder,
)

HAS_OPENAT = {os.open, os.mkdir, os.unlink, os.stat, os.rename} <= os.supports_dir_fd
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True)
class OpenFolder:
    """A folder while it is open.

    Attributes:
        path: Where it is, to be shown; where there is no ``openat``, also to be used.
        fd: Its descriptor; None: there is no ``openat``.
    """

    path: Path
    fd: int | None

    @property
    def itself(self) -> Path | int:
        """Return what the system is given for the folder."""
        return self.path if self.fd is None else self.fd

    def entry(self, name: str) -> str:
        """Return what the system is given for a name in the folder, beside ``dir_fd=self.fd``."""
        return check_name(name) if self.fd is not None else str(self.path / check_name(name))

    def kind(self, name: str) -> str | None:
        """Return "a file", "a folder", "a link" or another word for what bears a name; or None."""
        try:
            status = os.stat(self.entry(name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return kind_of(status.st_mode)

    def open(self, name: str, flags: int) -> int:
        """Return a descriptor of a regular file; whatever else bears the name is refused.

        Args:
            name: Of the file.
            flags: Of ``os.open``: whether to read, to write, to create.

        Raises:
            StrangeFileError: it is not a regular file, or one of holes.
            OSError: it cannot be opened so.
        """
        path = self.path / check_name(name)
        try:
            if self.fd is None and os.path.islink(path):
                raise not_a_file(path, "a link")
            descriptor = os.open(self.entry(name), flags | SAFE, 0o666, dir_fd=self.fd)
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            if (kind := self.kind(name)) not in ("a file", None):
                raise not_a_file(path, str(kind)) from error
            error.filename = str(path)  # and not the name alone
            raise
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise not_a_file(path, kind_of(mode))
        try:
            check_is_filled(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


@contextmanager
def open_folder(root: Path, inner: Sequence[str]) -> Iterator[OpenFolder]:
    """Open a folder, each from the one above it.

    Args:
        root: The run's own; links that lead to it are followed.
        inner: The names of the folders from there, none of which may be a link.

    Raises:
        StrangeFileError: a link or something else that is no folder is in the way.
        FileNotFoundError: it is not there.
    """
    path = root.joinpath(*inner)
    if not HAS_OPENAT:
        _look_at_each(root, inner)
        yield OpenFolder(path, None)
        return
    descriptor = os.open(root, FOLDER)
    try:
        for depth, name in enumerate(inner, start=1):
            try:
                inside = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise not_a_folder(root.joinpath(*inner[:depth])) from error
                raise
            os.close(descriptor)
            descriptor = inside
        yield OpenFolder(path, descriptor)
    finally:
        os.close(descriptor)


def _look_at_each(root: Path, inner: Sequence[str]) -> None:
    path = root
    for name in inner:
        path = path / name
        if path.is_symlink() or not path.is_dir():
            if not os.path.lexists(path):
                raise FileNotFoundError(f"there is no {path}")
            raise not_a_folder(path)
