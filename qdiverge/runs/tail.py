"""Follow a file of JSON lines that another process appends to."""

import os
from collections.abc import Iterator
from typing import Any

from qdiverge.runs.boundary import Place
from qdiverge.runs.event_lines import blocks, read_block
from qdiverge.thing_checks import check_path

_FINGERPRINT = 256  # bytes before the place reached, by which it is known that the file is the same


class Tail:
    """Reads ``events.jsonl`` a piece at a time, each whole line once.

    A last line without its end is left until it has one. Where the file was cut or written anew,
    as when a run is resumed from a checkpoint, reading starts over and says so.

    Args:
        path: The file; it need not be there yet.

    Raises:
        InvalidTypeError, InvalidValueError: that is no path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = check_path("path", path)
        self._place = 0  # bytes read so far, up to the end of a line
        self._before = b""  # the last of them
        self.num_damaged = 0  # lines that are not what was written, and were passed over
        self.has_torn_line = False  # whether there was more after the last whole line

    def read(self) -> tuple[list[dict[str, Any]], bool]:
        """Return the lines that are new, and whether all earlier ones are to be forgotten.

        A line that is not what was written is passed over, and counted in ``num_damaged``.

        Raises:
            RunFolderError: it is no regular file.
        """
        entries: list[dict[str, Any]] = []
        is_anew = False
        for piece, is_first_anew in self.pieces():
            entries += piece
            is_anew |= is_first_anew
        return entries, is_anew

    def pieces(self) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """Yield what :meth:`read` returns, some lines at a time; no more are held in memory.

        Raises:
            RunFolderError: it is no regular file.
        """
        try:
            file = Place.of(self._path.parent).open(self._path.name)
        except FileNotFoundError:
            return
        with file:
            if self._place > 0 and not self._is_same(file.fileno()):
                self._place, self._before, self.num_damaged = 0, b"", 0
                yield [], True
            file.seek(self._place)
            self.has_torn_line = False
            for lines in blocks(file):
                if not lines.endswith(b"\n"):
                    self.has_torn_line = True
                    break
                self._place += len(lines)
                self._before = (self._before + lines)[-_FINGERPRINT:]
                entries, damages = read_block(lines)
                self.num_damaged += len(damages)
                yield entries, False

    def _is_same(self, descriptor: int) -> bool:
        """Return whether the bytes before the place reached are those that were read."""
        start = self._place - len(self._before)
        return os.pread(descriptor, len(self._before), start) == self._before
