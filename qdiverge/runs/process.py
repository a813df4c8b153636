"""Which process writes a run, and whether it still does."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def own_process() -> dict[str, Any]:
    """Return what names this process among all: host, number, and when it began.

    >>> is_alive(own_process())
    True
    """
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid())}


def is_alive(process: object) -> bool | None:
    """Return whether a process, as :func:`own_process` named it, is alive; None: cannot be told.

    It cannot be told from another host, or for a run that did not note its process. Numbers are
    given out again, so the moment at which it began must be the same.

    >>> is_alive({"host": "elsewhere", "pid": 1, "began": None}) is None
    True
    """
    if not isinstance(process, Mapping) or process.get("host") != socket.gethostname():
        return None
    try:
        pid = int(process["pid"])
        os.kill(pid, 0)  # asks whether it is there, and sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return process.get("began") in (None, _began(pid)) and not _is_zombie(pid)


def _began(pid: int) -> int | None:
    """Return the machine's clock tick at which a process began; None where not known."""
    fields = _fields(pid)
    return int(fields[19]) if fields else None


def _is_zombie(pid: int) -> bool:
    fields = _fields(pid)
    return bool(fields) and fields[0] in ("Z", "X")


def _fields(pid: int) -> list[str]:
    """Return what Linux says of a process after its name, from its state on; nothing elsewhere."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
