"""One process writes a run: a lock on its folder that ends with the process, however it ends."""

import os
from pathlib import Path
from typing import BinaryIO

from qdiverge.errors import RunFolderError
from qdiverge.runs.boundary import Place

NAME = ".lock"


class FolderLock:
    """Holds a run folder for this process; the file stays, the lock on it does not.

    Where the system or the file system has no such locks, it holds nothing.

    Args:
        folder: It exists.

    Raises:
        RunFolderError: another process writes this run.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = Place.of(folder).open_own(NAME)
        try:
            if self._is_taken(self._file):
                self._file.seek(0)
                holder = self._file.read(20).decode("ascii", "replace") or "?"
                raise RunFolderError(
                    "a run folder can be written by one process at a time",
                    got=f"{folder}, which process {holder} is writing",
                    remedy="Wait for it to end, or stop it: Ctrl-C there loses nothing.",
                )
            self._file.truncate(0)
            self._file.write(str(os.getpid()).encode())
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others have it; a second call changes nothing."""
        self._file.close()

    @staticmethod
    def _is_taken(file: BinaryIO) -> bool:
        try:
            import fcntl
        except ImportError:  # not a Unix
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # a file system without locks
            return False
        return False
