"""Import a framework where it is used, and say how to install it where it is missing."""

import importlib
from typing import Any

from qdiverge.errors import MissingExtraError


def imported(module: str, extra: str) -> Any:
    """Return a module of a framework.

    Args:
        module: Its name.
        extra: The extra of qdiverge that installs it.

    Raises:
        MissingExtraError: it is not installed.

    >>> imported("no_such_framework", "sb3")
    Traceback (most recent call last):
    qdiverge.errors.MissingExtraError: this adapter needs no_such_framework, which is not installed.
    Install it: pip install 'qdiverge[sb3]'.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this adapter needs {module.partition('.')[0]}, which is not installed",
            remedy=f"Install it: pip install 'qdiverge[{extra}]'.",
        ) from error
