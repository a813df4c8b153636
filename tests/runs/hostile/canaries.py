"""What lies outside a run's folder, and who touches it: content, names, and opens by inotify."""

import ctypes
import os
import struct
import sys
from pathlib import Path

SECRET = "the-canary-sings-7f3a"
EVIL = "evil_env"  # a module that says so when it is imported
_EVENTS = 0x1 | 0x2 | 0x20 | 0x100 | 0x200  # access, modify, open, create, delete
_LINUX = sys.platform == "linux"


class Outside:
    """A folder beside the run, with secrets to read, files to spoil, and a module to import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "inner").mkdir(parents=True)
        for name in ("secret.json", "inner/secret.npz"):
            (folder / name).write_text(f'{{"{SECRET}": "{name}"}}\n', encoding="utf-8")
        (folder / "inner/keep.txt").write_text('{"to be": "kept"}\n', encoding="utf-8")
        self._before = self._content()
        self._watch = _Watch([folder, folder / "inner"]) if _LINUX else None

    def evil_module(self, folder: Path, name: str = EVIL) -> None:
        """Put a module there that leaves a trace outside once it is imported."""
        trace = self.folder / "executed"
        (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'w').close()\n", encoding="utf-8")

    def touched(self) -> list[str]:
        """Return what was opened, and what is not as it was."""
        opened = [] if self._watch is None else self._watch.seen()
        after = self._content()
        names = sorted(self._before.keys() | after.keys())
        changed = [name for name in names if after.get(name) != self._before.get(name)]
        if self._watch is not None:
            self._watch.seen()  # of this very look
        return opened + changed

    def _content(self) -> dict[str, bytes | None]:
        paths = self.folder.rglob("*")
        return {str(path): path.read_bytes() if path.is_file() else None for path in paths}


class _Watch:
    def __init__(self, folders: list[Path]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in folders:
            assert self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _EVENTS) >= 0

    def seen(self) -> list[str]:
        names = []
        try:
            while content := os.read(self._fd, 1 << 16):
                place = 0
                while place < len(content):
                    _, mask, _, length = struct.unpack_from("iIII", content, place)
                    name = content[place + 16 : place + 16 + length].rstrip(b"\0").decode()
                    names.append(f"{name} {mask:#x}")
                    place += 16 + length
        except BlockingIOError:
            pass
        return names

    def __del__(self) -> None:
        os.close(self._fd)
