"""The mark up to which a process's memory has risen."""

import resource
import sys
from pathlib import Path


def reset_high_water() -> float:
    """Reset the mark where that can be done; return the MB from which it rises."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("VmRSS")
    except OSError:
        return high_water()


def high_water() -> float:
    """Return the most that this process has held, in MB."""
    if Path("/proc/self/status").exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _status(name: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return float(line.split()[1]) * 1024 / 1e6
    raise OSError(f"no {name} in /proc/self/status")
