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

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from qdiverge.errors import CheckpointError
from qdiverge.runs import manifest
from qdiverge.runs.manifest import FileRecord, HashedFile
from qdiverge.runs.parity import mend, tail_of
from qdiverge.runs.whole import written_whole


class CheckpointWriter:
    """A checkpoint that is being written; made by :meth:`CheckpointStore.writing`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, FileRecord] = {}

    @contextmanager
    def open(self, name: str, *, is_shared: bool = False) -> Iterator[HashedFile]:
        """Return a new file, on the disk when the context is left.

        Args:
            name: Of the file.
            is_shared: Whether later checkpoints may link to it: what mends it is added at its end.
        """
        path = self.folder / name
        with path.open("xb") as file:
            hashed = HashedFile(file)
            yield hashed
            if is_shared:
                file.flush()
                hashed.write(tail_of(np.memmap(path, np.uint8, "r")))
            file.flush()
            os.fsync(file.fileno())
        self.files[name] = hashed.record

    def write(self, name: str, data: bytes) -> None:
        """Write a new file that holds ``data``."""
        with self.open(name) as file:
            file.write(data)

    def link(self, path: Path, record: FileRecord) -> None:
        """Link to the file at ``path``, of the same name; copy where there are no hard links."""
        try:
            os.link(path, self.folder / path.name)
        except OSError:
            shutil.copyfile(path, self.folder / path.name)
            _flush(self.folder / path.name)
        self.files[path.name] = record


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

    def steps(self) -> list[int]:
        """Return the steps of the checkpoints, the oldest first, damaged ones included."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def path(self, step: int) -> Path:
        """Return where the checkpoint of ``step`` is, or would be."""
        return self.folder / str(step)

    @contextmanager
    def writing(self, step: int) -> Iterator[CheckpointWriter]:
        """Write a checkpoint; it is there once the context is left, and not at all on an error.

        Raises:
            OSError: it cannot be written; what was begun is removed.
        """
        aside = self.folder / f".{step}.tmp"
        try:
            self.sweep()
            aside.mkdir(parents=True)
            writer = CheckpointWriter(aside)
            yield writer
            writer.write(manifest.NAME, manifest.dump(step, writer.files))
            _flush(aside)
            replaced = self.folder / f".{step}.old"
            if self.path(step).exists():
                self.path(step).rename(replaced)
            aside.rename(self.path(step))
            _flush(self.folder)
            shutil.rmtree(replaced, ignore_errors=True)
            _flush(self.folder.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise

    def verify(self, step: int, names: Collection[str] | None = None) -> dict[str, FileRecord]:
        """Read a checkpoint through, and return the records of its files.

        Args:
            step: Which one.
            names: Read these files only; None: all of them.

        Raises:
            CheckpointError: a file is missing or damaged; the message names it.
        """
        files = manifest.load(self.path(step))
        for name in files if names is None else names:
            if name not in files:
                raise manifest.damaged(self.path(step) / name, "no such file in its manifest")
            manifest.check(self.path(step) / name, files[name])
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
        for name, record in manifest.load(self.path(step)).items():
            path = self.path(step) / name
            try:
                manifest.check(path, record)
            except CheckpointError:
                if not _is_mended(path, record):
                    raise
                mended.append(name)
        return mended

    def records(self, step: int) -> dict[str, FileRecord]:
        """Return what its manifest says of each file; nothing else is read."""
        return manifest.load(self.path(step))

    def read(self, step: int, name: str) -> bytes:
        """Return the content of one file.

        Raises:
            CheckpointError: it is gone.
        """
        path = self.path(step) / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise manifest.damaged(path, error.strerror) from error

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
        if self.path(step).exists():
            aside = self.folder / f".{step}.gone"
            shutil.rmtree(aside, ignore_errors=True)
            self.path(step).rename(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def sweep(self) -> None:
        """Clear up after a process that ended amid its work; only the run's owner may."""
        for path in self.folder.glob(".*.old"):
            if not self.path(int(path.stem[1:])).exists():  # the one to replace it never came
                path.rename(self.path(int(path.stem[1:])))
        for pattern in (".*.tmp", ".*.old", ".*.gone"):
            for path in self.folder.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)


def _is_mended(path: Path, record: FileRecord) -> bool:
    """Return whether a damaged file could be mended; if not, it stays as it is."""
    try:
        if not path.stat().st_size == record.bytes > 0:
            return False
        with written_whole(path) as aside:
            whole = np.memmap(path, np.uint8, "c")  # in memory only where it is changed
            mend(whole)
            with aside.open("wb") as file:
                file.write(whole.data)
                file.flush()
                os.fsync(file.fileno())
            manifest.check(aside, record)
    except (OSError, CheckpointError):
        return False
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
