"""Checkpoints on disk: a folder each, whole or absent.

    checkpoints/STEP/       what was saved after STEP steps, with its manifest.json
    checkpoints/.STEP.tmp/  one that is being written, or was when the power failed; never read

One is written aside, all its files and folders are flushed to the disk, and only then it gets its
name: whatever happens and whenever, every STEP there is was once complete.

A file that several checkpoints share, by hard links, is on the disk once: a byte that flips there
would lose them all. So it ends with what mends it (see parity.py), 1.6 % more bytes; each of the
other files is of one checkpoint alone. Of 50,000 Atari frames, 350 MB, the tail takes 5.5 MB and
0.15 s beside 0.5 to 1 s for writing them (one core of an AMD EPYC, SSD). A copy for each checkpoint
would write a whole replay of 7 GB at each, two chains of links, each to the last but one, would
write everything twice; both need 7 GB more room. Clones of a file (reflinks) share the very blocks
of the disk, and few file systems have them.
"""

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qdiverge.errors import CheckpointError
from qdiverge.runs import manifest
from qdiverge.runs.boundary import MIB, Place
from qdiverge.runs.manifest import FileRecord, HashedFile
from qdiverge.runs.parity import mend, tail_of

MOST = 4096 * MIB  # bytes of a file that is read whole: networks, and moments of their optimiser


class CheckpointWriter:
    """A checkpoint that is being written; made by :meth:`CheckpointStore.writing`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.files: dict[str, FileRecord] = {}

    @contextmanager
    def open(self, name: str, *, is_shared: bool = False) -> Iterator[HashedFile]:
        """Return a new file, on the disk when the context is left.

        Args:
            name: Of the file.
            is_shared: Whether later checkpoints may link to it: what mends it is added at its end.
        """
        with self.place.create(name) as file:
            hashed = HashedFile(file)
            yield hashed
            if is_shared:
                file.flush()
                with self.place.open(name) as written:
                    hashed.write(tail_of(np.memmap(written, np.uint8, "r")))
            file.flush()
            os.fsync(file.fileno())
        self.files[name] = hashed.record

    def write(self, name: str, data: bytes) -> None:
        """Write a new file that holds ``data``."""
        with self.open(name) as file:
            file.write(data)

    def link(self, path: Path, record: FileRecord) -> None:
        """Link to a file of another checkpoint; copy it where there are no hard links."""
        source, name = Place(self.place.root, (self.place.inner[0], path.parent.name)), path.name
        try:
            self.place.share(source, name)
        except OSError:
            self.place.remove(name)
            with source.open(name) as old, self.place.create(name) as new:
                shutil.copyfileobj(old, new)
                new.flush()
                os.fsync(new.fileno())
        self.files[name] = record


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: ``RUN/checkpoints``; made when the first one is written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = CheckpointStore(Path(folder) / "checkpoints")
    ...     with store.writing(8) as writer:
    ...         writer.write("state.json", b"{}")
    ...     _ = store.verify(8)
    ...     store.steps(), store.read(8, "state.json")
    ([8], b'{}')
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._place = Place.within(self.folder)

    def steps(self) -> list[int]:
        """Return the steps of the checkpoints, the oldest first, damaged ones included.

        Raises:
            RunFolderError: the folder is none of the run's own.
        """
        steps = (_step_of(name) for name in self._place.names())
        return sorted(step for step in steps if step is not None)

    def path(self, step: int) -> Path:
        """Return where the checkpoint of ``step`` is, or would be."""
        return self.folder / str(step)

    def place(self, step: int) -> Place:
        """Return the same, to be read."""
        return self._place / str(step)

    @contextmanager
    def writing(self, step: int) -> Iterator[CheckpointWriter]:
        """Write a checkpoint; it is there once the context is left, and not at all on an error.

        Raises:
            OSError: it cannot be written; what was begun is removed.
        """
        name, aside, replaced = str(step), f".{step}.tmp", f".{step}.old"
        try:
            self._place.made(with_root=True)
            self.sweep()
            writer = CheckpointWriter((self._place / aside).made())
            yield writer
            writer.write(manifest.NAME, manifest.dump(step, writer.files))
            writer.place.flush()
            if self._place.kind(name) is not None:
                self._place.rename(name, replaced)
            self._place.rename(aside, name)
            self._place.flush()
            self._place.remove_folder(replaced)
            Place.of(self._place.root).flush()
        except BaseException:
            self._place.remove_folder(aside)
            raise

    def verify(self, step: int, names: Collection[str] | None = None) -> dict[str, FileRecord]:
        """Read a checkpoint through, and return the records of its files.

        Args:
            step: Which one.
            names: Read these files only; None: all of them.

        Raises:
            CheckpointError: a file is missing or damaged; the message names it.
        """
        files = self.records(step)
        for name in files if names is None else names:
            if name not in files:
                raise manifest.damaged(self.path(step) / name, "no such file in its manifest")
            manifest.check(self.place(step), name, files[name])
        return files

    def mend(self, step: int) -> list[str]:
        """Verify a checkpoint, and mend what is damaged and can be; only the run's owner may.

        Returns:
            The names of the files that were mended; those that other checkpoints share with this
            one are theirs no more, and stay as they are.

        Raises:
            CheckpointError: a file is missing, or damaged such that it cannot be mended.
        """
        mended = []
        place = self.place(step)
        for name, record in self.records(step).items():
            try:
                manifest.check(place, name, record)
            except CheckpointError:
                if not _is_mended(place, name, record):
                    raise
                mended.append(name)
        return mended

    def records(self, step: int) -> dict[str, FileRecord]:
        """Return what its manifest says of each file; nothing else is read."""
        return manifest.load(self.place(step))

    def read(self, step: int, name: str) -> bytes:
        """Return the content of one file.

        Raises:
            CheckpointError: it is gone.
        """
        try:
            return self.place(step).read(name, MOST)
        except OSError as error:
            raise manifest.damaged(self.path(step) / name, error.strerror) from error

    def newest(
        self, names: Collection[str] | None = None
    ) -> tuple[int | None, list[CheckpointError]]:
        """Return the newest step that verifies, and what was wrong with those after it.

        Args:
            names: The files that must be intact; None: all.
        """
        errors: list[CheckpointError] = []
        for step in reversed(self.steps()):
            try:
                self.verify(step, names)
            except CheckpointError as error:
                errors.append(error)
            else:
                return step, errors
        return None, errors

    def remove(self, step: int) -> None:
        """Delete a checkpoint; half deleted, it bears no name that is read."""
        if self._place.kind(str(step)) is not None:
            aside = f".{step}.gone"
            self._place.remove_folder(aside)
            self._place.rename(str(step), aside)
            self._place.remove_folder(aside)

    def sweep(self) -> None:
        """Clear up after a process that ended amid its work; only the run's owner may."""
        for name in self._place.names(".", ".old"):
            step = _step_of(name[1:-4])
            if step is not None and self._place.kind(str(step)) is None:
                self._place.rename(name, str(step))  # the one to replace it never came
        for end in (".tmp", ".old", ".gone"):
            for name in self._place.names(".", end):
                self._place.remove_folder(name)


def _step_of(name: str) -> int | None:
    """Return the step in the name of a checkpoint; None where it is no such name.

    >>> _step_of("250000"), _step_of("007"), _step_of("lost+found")
    (250000, None, None)
    """
    is_step = name.isascii() and name.isdecimal() and len(name) <= 18 and str(int(name)) == name
    return int(name) if is_step else None


def _is_mended(place: Place, name: str, record: FileRecord) -> bool:
    """Return whether a damaged file could be mended; if not, it stays as it is."""
    try:
        with place.open(name) as damaged:
            if not os.fstat(damaged.fileno()).st_size == record.bytes > 0:
                return False
            whole = np.memmap(damaged, np.uint8, "c")  # in memory only where it is changed
        mend(whole)
        if hashlib.sha256(whole.data).hexdigest() != record.sha256:
            return False
        with place.writing(name) as file:
            file.write(whole.data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True
