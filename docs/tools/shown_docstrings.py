"""Docstrings as a page shows them: doctests become code, and roles become names."""

import re
from typing import Any

import griffe

_DOCTEST = re.compile(r"^>>> .*(?:\n(?!\n).+)*", re.MULTILINE)
_ROLE = re.compile(r":(?:class|func|meth|mod):`~?([^`]*)`")


class ShownDocstrings(griffe.Extension):
    """Changes each docstring after it was read, before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **options: Any) -> None:
        """Change the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = shown(obj.docstring.value)


def shown(text: str) -> str:
    r"""Return the docstring with its doctests fenced, and its roles as code.

    >>> print(shown("Add, see :func:`sum`.\n\n>>> 1 + 1\n2"))
    Add, see `sum`.
    <BLANKLINE>
    ```pycon
    >>> 1 + 1
    2
    ```
    """
    return _DOCTEST.sub(lambda found: f"```pycon\n{found[0]}\n```", _ROLE.sub(r"`\1`", text))
