"""How much memory this process may still take, without any extra package."""

import os
from pathlib import Path

import torch


def available_memory() -> int | None:
    """Return the bytes that can still be allocated, by the machine or, where less, its container.

    Linux: MemAvailable of /proc/meminfo and the limit of the control group (version 2, then 1).
    Elsewhere: the machine's physical memory, an upper bound.

    Returns:
        Bytes, or None where the system does not say.

    >>> amounts = available_memory()
    >>> amounts is None or amounts > 0
    True
    """
    amounts = [amount for amount in (_machine_memory(), _container_memory()) if amount is not None]
    return min(amounts) if amounts else None


def device_memory(device: torch.device) -> int:
    """Return bytes that are free on a GPU."""
    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def _machine_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024  # the file counts in KiB
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError, AttributeError):
        return None


def _container_memory() -> int | None:
    root = Path("/sys/fs/cgroup")
    for limit, used in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory/memory.limit_in_bytes", root / "memory/memory.usage_in_bytes"),
    ):
        try:
            return max(int(limit.read_text()) - int(used.read_text()), 1)
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return None
