"""The command ``python -m experiments``: list the studies, run one, sweep over its grid.

A study is a folder here with a ``run.py``; the first line of its docstring is what ``list`` prints.
Its ``show(records)`` prints the records of the study's table; where there are other arguments than
the table, its ``main(arguments)`` returns an exit status instead.
"""

import ast
import sys
from importlib import import_module
from pathlib import Path

from experiments import tables
from qdiverge.errors import QDivergeError

USAGE = """usage: python -m experiments list
       python -m experiments [run] NAME [ARGUMENTS …]
       python -m experiments sweep NAME [ARGUMENTS …]
       python -m experiments results NAME [ARGUMENTS …]

`list` prints the studies; `run` runs one, which prints its committed table; `sweep` runs a study's
grid; `results` makes the table of a sweep the study's committed one. `NAME -h` and `sweep -h` print
the arguments."""
FOLDER = Path(__file__).parent
COMMANDS = {"sweep": "experiments.sweep.command", "results": "experiments.sweep.results"}


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
    if name not in (*COMMANDS, *studies()):
        names = ", ".join(studies())
        print(f"expected the name of a study: {names}; got {name!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    try:
        return run(COMMANDS.get(name, f"experiments.{name}.run"), name, rest)
    except SystemExit as stop:  # help, or arguments that the study does not have
        return int(stop.code or 0)
    except QDivergeError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2


def run(module: str, name: str, arguments: list[str]) -> int:
    """Run a study or a command by its module; return the exit status."""
    entry = import_module(module)
    if hasattr(entry, "main"):
        status: int = entry.main(arguments)
        return status
    options = tables.parser(name, entry.__doc__).parse_args(arguments)
    tables.print_study(name, options.table, entry.show)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
