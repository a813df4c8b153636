"""The command ``python -m experiments``: list the studies, or run one.

A study is a folder here with a ``run.py`` whose ``main(arguments)`` returns an exit status; the
first line of its docstring is what ``list`` prints.
"""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path

USAGE = """usage: python -m experiments list
       python -m experiments run NAME [ARGUMENTS …]
       python -m experiments NAME [ARGUMENTS …]

`list` prints the studies; `NAME -h` prints the arguments of one."""
FOLDER = Path(__file__).parent


def studies() -> dict[str, str]:
    """Return each study's one-line description by name.

    >>> studies()["speed"]
    'How long the parts of qdiverge take, against other libraries and against the hardware.'
    """
    return {
        path.parent.name: (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
        for path in sorted(FOLDER.glob("*/run.py"))
    }


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; return the exit status (2: bad usage)."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    if arguments[0] == "list":
        for name, line in studies().items():
            print(f"{name:15} {line}")
        return 0
    name, *rest = (arguments[1:] or [""]) if arguments[0] == "run" else arguments
    if name not in studies():
        known = ", ".join(studies())
        print(f"expected the name of a study: {known}; got {name!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    return import_module(f"experiments.{name}.run").main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
