"""What is too old says so in one line, before an import deep inside fails for want of a name.

Python that is too old must be able to read this file: no syntax here is newer than 3.6.
"""

import os
import re
import sys

PYTHON = (3, 10)
LEAST = {"numpy": (1, 26), "scipy": (1, 11), "torch": (2, 4)}  # as pyproject.toml has them
_FOLDER = re.compile(rf"({'|'.join(LEAST)})-(\d[\w.+!]*)\.(?:dist|egg)-info")


def check_versions() -> None:
    """Check what is imported already, or else lies first on the path; nothing is imported for it.

    Raises:
        ImportError: Python, PyTorch, NumPy or SciPy is too old.

    >>> check_versions()
    """
    _check("Python", PYTHON, "{}.{}.{}".format(*sys.version_info[:3]))
    found = {
        name: str(getattr(sys.modules[name], "__version__", ""))
        for name in LEAST
        if name in sys.modules
    }
    for folder in sys.path:
        if len(found) == len(LEAST):
            break
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for match in filter(None, map(_FOLDER.fullmatch, names)):
            found.setdefault(match[1], match[2])
    for name, version in found.items():
        _check(name, LEAST[name], version)


def _check(name: str, least: "tuple[int, int]", version: str) -> None:
    """Raise ImportError for a version before the least; a version without numbers passes.

    >>> _check("torch", (2, 4), "2.13.0+cpu"), _check("torch", (2, 4), "a build of one's own")
    (None, None)
    >>> _check("torch", (2, 4), "1.13.1")
    Traceback (most recent call last):
    ImportError: qdiverge needs torch 2.4 or newer; found 1.13.1.
    """
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < least:
        raise ImportError(
            f"qdiverge needs {name} {'.'.join(map(str, least))} or newer; found {version}."
        )
