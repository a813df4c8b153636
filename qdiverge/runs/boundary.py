"""The one door to the files of a run: a folder that a stranger may have packed.

A run is read and written by names inside its folder, never by a path that something in it leads
along. The folder itself is the user's word, and links on the way to it are followed; below it each
folder is opened from the one above (``openat``) and no link is: not for a folder, not for a file.
A file that is read must be a regular one, checked once it is open and without waiting (a FIFO
would wait for ever), and no larger than what a run has there. What is written whole lies aside
under a name of its own until it is complete. What is written in place, the log and the lock, must
be this run's alone: where another name leads to the same file (a hard link, as ``cp -al`` makes
them), the run first gets a copy.

Where the system has no ``openat`` (Windows), each part of the path is looked at before it is used.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from qdiverge.errors import StrangeFileError

MOST_NAMES = 200_000  # in one folder
LONGEST_NAME = 255  # bytes
KIB, MIB = 1 << 10, 1 << 20
HAS_OPENAT = {os.open, os.mkdir, os.unlink, os.stat, os.rename} <= os.supports_dir_fd
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_SAFE = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_WORDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class Place:
    """A folder of a run: the run's own, or one inside it.

    Args:
        root: The run's folder, as the user named it.
        inner: The names of the folders from there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = (Place.of(folder) / "arrays").made()
    ...     with place.writing("x.bin") as file:
    ...         _ = file.write(b"123")
    ...     place.names(), place.read("x.bin", most=10)
    (['x.bin'], b'123')
    """

    root: Path
    inner: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the run's own folder."""
        return cls(Path(folder))

    @classmethod
    def within(cls, folder: str | os.PathLike[str]) -> Self:
        """Return a folder that lies in a run's, such as ``RUN/checkpoints``; it may be a link's."""
        path = Path(folder)
        return cls(path.parent, (check_name(path.name),))

    def __truediv__(self, name: str) -> "Place":
        return Place(self.root, (*self.inner, check_name(name)))

    @property
    def path(self) -> Path:
        """Return where it is, to be shown."""
        return self.root.joinpath(*self.inner)

    def kind(self, name: str) -> str | None:
        """Return "a file", "a folder", "a link" or another word for what bears a name; or None.

        Raises:
            StrangeFileError: the way to it is one that no run has.
        """
        with suppress(FileNotFoundError), self._opened() as at:
            status = os.stat(at.name(name), dir_fd=at.fd, follow_symlinks=False)
            return _word(status.st_mode)
        return None

    def has(self, name: str) -> bool:
        """Return whether there is a regular file of that name."""
        with suppress(StrangeFileError):
            return self.kind(name) == "a file"
        return False

    def exists(self) -> bool:
        """Return whether the folder is there, and is one."""
        with suppress(OSError), self._opened():
            return True
        return False

    def names(self, start: str = "", end: str = "") -> list[str]:
        """Return the names in the folder that begin and end so, sorted; of no folder none.

        Raises:
            StrangeFileError: it is no folder, or there are too many.
        """
        found: list[str] = []
        with suppress(FileNotFoundError), self._opened() as at, os.scandir(at.folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST_NAMES:
                    most = f"{self.path} must hold at most {MOST_NAMES:,} files"
                    raise StrangeFileError(most, got="more")
                if entry.name.startswith(start) and entry.name.endswith(end):
                    found.append(entry.name)
        return sorted(found)

    def open(self, name: str, most: int | None = None) -> BinaryIO:
        """Return a file opened for reading.

        Args:
            name: Of a regular file.
            most: Bytes that it may have; None: any number, for what is read a piece at a time.

        Raises:
            StrangeFileError: it is not a regular file, or too large.
            OSError: it cannot be read, FileNotFoundError if it is not there.
        """
        with self._opened() as at:
            descriptor = self._descriptor(at, name, os.O_RDONLY)
        size = os.fstat(descriptor).st_size
        if most is not None and size > most:
            os.close(descriptor)
            raise too_large(self.path / name, size, most)
        return os.fdopen(descriptor, "rb")

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a file of at most so many bytes; raises as :meth:`open` does."""
        with self.open(name, most) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise too_large(self.path / name, len(content), most)
        return content

    def modified(self, name: str) -> float:
        """Return when a file was last written, in seconds; raises as :meth:`open` does."""
        with self.open(name) as file:
            return os.fstat(file.fileno()).st_mtime

    def made(self, *, with_root: bool = False) -> Self:
        """Make the folder where it is missing, and return it.

        Args:
            with_root: The run's own, too, which else must be there.

        Raises:
            StrangeFileError: a link or something else is in the way.
            OSError: it cannot be made.
        """
        if with_root:
            self.root.mkdir(parents=True, exist_ok=True)
        for depth in range(1, len(self.inner) + 1):
            above = Place(self.root, self.inner[: depth - 1])
            with above._opened() as at, suppress(FileExistsError):
                os.mkdir(at.name(self.inner[depth - 1]), dir_fd=at.fd)
        with self._opened():
            return self

    @contextmanager
    def writing(self, name: str, mark: str = "") -> Iterator[BinaryIO]:
        """Give a file whose content takes the place of ``name`` when the context is left.

        Where the context fails, what bore the name stays, and nothing is left beside it. A link of
        that name is replaced, never followed.

        Args:
            name: Of the file.
            mark: Of the writer, where several write the same file at once.

        Raises:
            OSError: it cannot be written.
        """
        aside = check_name(f"{name}{mark}.tmp")
        with self._opened() as at:
            with suppress(FileNotFoundError):
                os.unlink(at.name(aside), dir_fd=at.fd)
            file = os.fdopen(self._descriptor(at, aside, _ANEW), "wb")
            try:
                with file:
                    yield file
                os.replace(at.name(aside), at.name(name), src_dir_fd=at.fd, dst_dir_fd=at.fd)
            finally:
                with suppress(OSError):
                    os.unlink(at.name(aside), dir_fd=at.fd)

    def create(self, name: str) -> BinaryIO:
        """Return a new file; FileExistsError where there is something of that name."""
        with self._opened() as at:
            return os.fdopen(self._descriptor(at, name, _ANEW), "wb")

    def overwrite(self, name: str, content: bytes) -> None:
        """Write over what a file holds, in the room that it has on the disk; down to the disk."""
        with self._opened() as at:
            descriptor = self._descriptor(at, name, os.O_WRONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.truncate()
            file.flush()
            os.fsync(descriptor)

    def open_own(self, name: str) -> BinaryIO:
        """Return a file to read and append to, unbuffered; made where missing, nobody else's.

        Raises:
            StrangeFileError: it is not a regular file.
            OSError: it cannot be written.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
        with self._opened() as at:
            descriptor = self._descriptor(at, name, flags)
        if os.fstat(descriptor).st_nlink > 1:
            with os.fdopen(descriptor, "rb") as shared, self.writing(name) as own:
                shutil.copyfileobj(shared, own)
            with self._opened() as at:
                descriptor = self._descriptor(at, name, flags)
        return os.fdopen(descriptor, "ab+", buffering=0)

    def share(self, source: "Place", name: str) -> None:
        """Give a file of another folder of the run this name here, too, as a hard link.

        Raises:
            OSError: there are no hard links here, or the file is none.
        """
        with source._opened() as there, self._opened() as here:
            old, new = there.name(name), here.name(name)
            os.link(old, new, src_dir_fd=there.fd, dst_dir_fd=here.fd, follow_symlinks=False)

    def rename(self, old: str, new: str) -> None:
        """Give something another name in the same folder."""
        with self._opened() as at:
            os.rename(at.name(old), at.name(new), src_dir_fd=at.fd, dst_dir_fd=at.fd)

    def remove(self, name: str) -> None:
        """Delete a file, or a link and not what it leads to; nothing where there is none."""
        with suppress(FileNotFoundError), self._opened() as at:
            os.unlink(at.name(name), dir_fd=at.fd)

    def remove_folder(self, name: str) -> None:
        """Delete a folder with all in it, as far as it can be; of a link the link alone."""
        with suppress(OSError), self._opened() as at:
            if self.kind(name) != "a folder":
                os.unlink(at.name(name), dir_fd=at.fd)
            elif at.fd is None:
                shutil.rmtree(at.name(name), ignore_errors=True)
            else:
                shutil.rmtree(name, ignore_errors=True, dir_fd=at.fd)

    def flush(self) -> None:
        """Bring the names in the folder to the disk."""
        with self._opened() as at:
            if at.fd is not None:
                os.fsync(at.fd)

    @contextmanager
    def _opened(self) -> Iterator["_At"]:
        """Open the folder, each from the one above it."""
        if not HAS_OPENAT:
            yield _At(self._looked_at(), None)
            return
        descriptor = os.open(self.root, _FOLDER)
        try:
            for depth, name in enumerate(self.inner, start=1):
                try:
                    inside = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP):
                        raise _in_the_way(self.root.joinpath(*self.inner[:depth])) from error
                    raise
                os.close(descriptor)
                descriptor = inside
            yield _At(self.path, descriptor)
        finally:
            os.close(descriptor)

    def _looked_at(self) -> Path:
        path = self.root
        for name in self.inner:
            path = path / name
            if path.is_symlink() or not path.is_dir():
                if not os.path.lexists(path):
                    raise FileNotFoundError(f"there is no {path}")
                raise _in_the_way(path)
        return path

    def _descriptor(self, at: "_At", name: str, flags: int) -> int:
        """Open a regular file; whatever else bears the name is refused."""
        path = self.path / check_name(name)
        try:
            if at.fd is None and os.path.islink(path):
                raise strange(path, "a link")
            descriptor = os.open(at.name(name), flags | _SAFE, 0o666, dir_fd=at.fd)
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            if (kind := self.kind(name)) not in ("a file", None):
                raise strange(path, str(kind)) from error
            error.filename = str(path)  # and not the name alone
            raise
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise strange(path, _word(mode))
        return descriptor


_ANEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True)
class _At:
    """An open folder; where there is no ``openat``, its path alone."""

    path: Path
    fd: int | None

    def name(self, name: str) -> str:
        """Return what the system is given for a name in it."""
        return check_name(name) if self.fd is not None else str(self.path / check_name(name))

    @property
    def folder(self) -> "int | Path":
        """Return what the system is given for itself."""
        return self.path if self.fd is None else self.fd


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


def strange(path: Path, kind: str) -> StrangeFileError:
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


def _word(mode: int) -> str:
    return _WORDS.get(stat.S_IFMT(mode), "something else")


def _in_the_way(path: Path) -> StrangeFileError:
    return StrangeFileError(
        f"{path} must be a folder in the run's own folder",
        got="a link, or no folder",
        remedy="Links are not followed: put the folder itself there, or delete it.",
    )
