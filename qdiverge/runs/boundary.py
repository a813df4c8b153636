"""The one door to the files of a run: a folder that a stranger may have packed.

A run is read and written by names inside its folder, never by a path that something in it leads
along. The folder itself is the user's word, and links on the way to it are followed; below it none
is (:mod:`qdiverge.runs.open_folder`). A file that is read must be a regular one, and no larger than
what a run has there. What is written whole lies aside under a name of its own until it is complete.
What is written in place, the log and the lock, must be this run's alone: where another name leads
to the same file (a hard link, as ``cp -al`` makes them), the run first gets a copy.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from typing_extensions import Self

from qdiverge.errors import StrangeFileError
from qdiverge.runs.open_folder import OpenFolder, open_folder
from qdiverge.runs.strange_files import check_name, too_large

MOST_NAMES = 200_000  # in one folder
KIB, MIB = 1 << 10, 1 << 20
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL  # a file that was not there


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
        with suppress(FileNotFoundError), self._opened() as folder:
            return folder.kind(name)
        return None

    def has(self, name: str) -> bool:
        """Return whether there is a regular file of that name."""
        with suppress(StrangeFileError):
            return self.kind(name) == "a file"
        return False

    def has_own(self, name: str) -> bool:
        """Return whether there is a regular file of that name, and of no other name."""
        with suppress(OSError, StrangeFileError), self.open(name) as file:
            return os.fstat(file.fileno()).st_nlink == 1
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
        matching: list[str] = []
        with (
            suppress(FileNotFoundError),
            self._opened() as folder,
            os.scandir(folder.itself) as entries,
        ):
            for number, entry in enumerate(entries):
                if number >= MOST_NAMES:
                    most = f"{self.path} must hold at most {MOST_NAMES:,} files"
                    raise StrangeFileError(most, got="more")
                if entry.name.startswith(start) and entry.name.endswith(end):
                    matching.append(entry.name)
        return sorted(matching)

    def open(self, name: str, most: int | None = None) -> BinaryIO:
        """Return a file opened for reading.

        Args:
            name: Of a regular file.
            most: Bytes that it may have; None: any number, for what is read a piece at a time.

        Raises:
            StrangeFileError: it is not a regular file, or too large.
            OSError: it cannot be read, FileNotFoundError if it is not there.
        """
        with self._opened() as folder:
            descriptor = folder.open(name, os.O_RDONLY)
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
            with above._opened() as folder, suppress(FileExistsError):
                os.mkdir(folder.entry(self.inner[depth - 1]), dir_fd=folder.fd)
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
        with self._opened() as folder:
            with suppress(FileNotFoundError):
                os.unlink(folder.entry(aside), dir_fd=folder.fd)
            file = os.fdopen(folder.open(aside, NEW), "wb")
            try:
                with file:
                    yield file
                os.replace(
                    folder.entry(aside),
                    folder.entry(name),
                    src_dir_fd=folder.fd,
                    dst_dir_fd=folder.fd,
                )
            finally:
                with suppress(OSError):
                    os.unlink(folder.entry(aside), dir_fd=folder.fd)

    def create(self, name: str) -> BinaryIO:
        """Return a new file; FileExistsError where there is something of that name."""
        with self._opened() as folder:
            return os.fdopen(folder.open(name, NEW), "wb")

    def overwrite(self, name: str, content: bytes) -> None:
        """Write over what a file holds, in the room that it has on the disk; down to the disk."""
        with self._opened() as folder:
            descriptor = folder.open(name, os.O_WRONLY)
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
        with self._opened() as folder:
            descriptor = folder.open(name, flags)
        if os.fstat(descriptor).st_nlink > 1:
            with os.fdopen(descriptor, "rb") as shared, self.writing(name) as own:
                shutil.copyfileobj(shared, own)
            with self._opened() as folder:
                descriptor = folder.open(name, flags)
        return os.fdopen(descriptor, "ab+", buffering=0)

    def share(self, source: "Place", name: str) -> None:
        """Give a file of another folder of the run this name here, too, as a hard link.

        Raises:
            OSError: there are no hard links here, or the file is none.
        """
        with source._opened() as there, self._opened() as here:
            old, new = there.entry(name), here.entry(name)
            os.link(old, new, src_dir_fd=there.fd, dst_dir_fd=here.fd, follow_symlinks=False)

    def rename(self, old: str, new: str) -> None:
        """Give something another name in the same folder."""
        with self._opened() as folder:
            os.rename(
                folder.entry(old), folder.entry(new), src_dir_fd=folder.fd, dst_dir_fd=folder.fd
            )

    def remove(self, name: str) -> None:
        """Delete a file, or a link and not what it leads to; nothing where there is none."""
        with suppress(FileNotFoundError), self._opened() as folder:
            os.unlink(folder.entry(name), dir_fd=folder.fd)

    def remove_folder(self, name: str) -> None:
        """Delete a folder with all in it, as far as it can be; of a link the link alone."""
        with suppress(OSError), self._opened() as folder:
            if folder.kind(name) != "a folder":
                os.unlink(folder.entry(name), dir_fd=folder.fd)
            elif folder.fd is None:
                shutil.rmtree(folder.entry(name), ignore_errors=True)
            else:
                _remove_tree(name, folder.fd)

    def flush(self) -> None:
        """Bring the names in the folder to the disk."""
        with self._opened() as folder:
            if folder.fd is not None:
                os.fsync(folder.fd)

    def _opened(self) -> AbstractContextManager[OpenFolder]:
        return open_folder(self.root, self.inner)


def _remove_tree(name: str, parent: int) -> None:
    """Delete a folder with all in it, as far as it can be, and of links the links alone.

    It is what ``shutil.rmtree`` does with ``dir_fd``, which it takes since Python 3.11.
    """
    for _, folders, files, descriptor in os.fwalk(name, topdown=False, dir_fd=parent):
        for each in folders:
            try:
                os.rmdir(each, dir_fd=descriptor)
            except NotADirectoryError:  # a link to one
                files.append(each)
            except OSError:
                pass
        for each in files:
            with suppress(OSError):
                os.unlink(each, dir_fd=descriptor)
    os.rmdir(name, dir_fd=parent)
