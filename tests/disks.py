"""A disk that is soon full."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own, of a size such as ``1m``; where none can be mounted, skip the test.

    It is not below ``tmp_path``: pytest clears that up after later runs, and could not if this one
    were killed with the disk still there.
    """
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("only root can mount a small disk")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    finally:
        folder.rmdir()
