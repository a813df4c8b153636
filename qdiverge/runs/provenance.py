"""What it takes to make a number again: command, versions, hardware, commit."""

import datetime
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("qdiverge", "torch", "numpy", "scipy", "gymnasium", "ale-py")


def provenance() -> dict[str, Any]:
    """Return the command, versions, hardware, date and commit of this process, ready for JSON.

    >>> sorted(provenance())
    ['command', 'commit', 'hardware', 'started', 'versions']
    """
    return {
        "command": _command(),
        "commit": _commit(),
        "hardware": _hardware(),
        "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version()} | installed(PACKAGES),
    }


def _command() -> str:
    """Return the command line, with ``python -m package`` for what was started so."""
    script = Path(sys.argv[0])
    is_package = script.name == "__main__.py"
    start = ["python", "-m", script.parent.name] if is_package else [script.name]
    return shlex.join([*start, *sys.argv[1:]])


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed: of those imported, their own word.

    >>> import numpy
    >>> installed(("numpy", "no-such-package")) == {"numpy": numpy.__version__}
    True
    """
    versions = {}
    for name in packages:
        module = sys.modules.get(name.replace("-", "_"))
        if isinstance(own := getattr(module, "__version__", None), str):
            versions[name] = str(own)  # a hundredth of the time; PyTorch's is a subclass of str
            continue
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return versions


def _hardware() -> str:
    import torch

    capability = torch.backends.cpu.get_cpu_capability()  # AVX2 or AVX512, on x86
    cores = f"{_processor()}, {os.cpu_count()} cores, {capability}"
    if not torch.cuda.is_available():
        return cores
    return f"{torch.cuda.get_device_name()}; {cores}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def script_commit() -> str | None:
    """Return the commit of the checkout that the running script, or else the session, is in."""
    script = Path(sys.argv[0])
    return _described(script.resolve().parent if script.is_file() else Path.cwd())


def _commit() -> str | None:
    """Return the commit of the checkout that this runs from; None for an installed wheel."""
    root = Path(__file__).parents[2]
    return _described(root) if (root / "pyproject.toml").exists() else None


def _described(folder: Path) -> str | None:
    """Return the commit of a checkout, and whether it was changed since; None: it is none.

    To see changes, git runs the programs that the checkout's own settings name as filters: where
    there are any, the answer says that nobody looked.
    """
    try:
        describe = ["describe", "--always", "--abbrev=12"]
        commit = _git(folder, *describe)
        if _git(folder, "config", "--local", "--list", "--name-only").find("filter.") >= 0:
            return f"{commit}, changes not looked for"
        return _git(folder, *describe, "--dirty")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *command: str) -> str:
    """Return what git says; no program that watches files is run, whatever its settings name."""
    told = ["git", "-C", str(folder), "-c", "core.fsmonitor=false", *command]
    done = subprocess.run(told, capture_output=True, encoding="utf-8", timeout=5, check=True)
    return done.stdout.strip()
