"""A file of lines that are written at once, or as soon as there is room."""

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from qdiverge.runs.boundary import Place

CHUNK = 1 << 20  # bytes looked through at a time


class LineFile:
    """Appends lines, each in a single write that nothing buffers: a crash loses none.

    What cannot be written, because the disk is full, is kept until it can: a line half written is
    completed then.

    Args:
        path: Made where it is missing.
        warn: Told the path, the error and what it leads to, every time.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, warn: Callable[[Path, OSError, str], None]) -> None:
        self.path, self._warn = path, warn
        self._file = Place.of(path.parent).open_own(path.name)
        self._pending = b""

    @property
    def is_closed(self) -> bool:
        """Return whether it takes no more lines."""
        return self._file.closed

    def append(self, line: bytes) -> None:
        """Write ``line``, which ends without a line break."""
        self._pending += line + b"\n"
        try:
            self._flush()
        except OSError as error:
            consequence = "training goes on, and its log is kept in memory until there is room"
            self._warn(self.path, error, consequence)

    def sync(self) -> int:
        """Bring everything to the disk; the size of the file then.

        Raises:
            OSError: it cannot be written.
        """
        self._flush()
        os.fsync(self._file.fileno())
        return os.fstat(self._file.fileno()).st_size

    def cut(self, position: int) -> None:
        """Keep the first ``position`` bytes; where there are fewer, a warning, and whole lines."""
        size = self._file.seek(0, os.SEEK_END)
        if size < position:
            warnings.warn(
                f"qdiverge: {self.path} has lost {position - size} of its first {position} bytes.",
                stacklevel=3,
            )
            position = self._last_line_end(size)
        self._file.truncate(position)

    def close(self) -> int:
        """Write what is left, if it can be; how many lines are lost. A second call does nothing."""
        if self._file.closed:
            return 0
        try:
            self._flush()
        except OSError as error:
            self._warn(self.path, error, "its end is lost")
        finally:
            self._file.close()
        return self._pending.count(b"\n")

    def forget(self) -> None:
        """Close the file and write nothing more: what is left is another process's to write."""
        self._pending = b""
        self._file.close()

    def _last_line_end(self, size: int) -> int:
        """Return where the last whole line ends."""
        while size:
            start = max(size - CHUNK, 0)
            self._file.seek(start)
            if cut := self._file.read(size - start).rfind(b"\n") + 1:
                return start + cut
            size = start
        return 0

    def _flush(self) -> None:
        while self._pending:
            self._pending = self._pending[self._file.write(self._pending) :]
