"""The command ``python -m paper_figures``: draw figures from their tables, or make those anew."""

from __future__ import annotations

import argparse
import ast
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from paper_figures import tables
from paper_figures.style import style
from qdiverge.errors import QDivergeError
from qdiverge.runs import provenance

FOLDER = Path(__file__).parent
SHARED = {"__init__", "__main__", "style", "tables"}


def figures() -> dict[str, str]:
    """Return each figure's one-line description by name.

    >>> figures()["foresight_lead"].startswith("Caught runs")
    True
    """
    return {
        path.stem: (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        for path in sorted(FOLDER.glob("*.py"))
        if path.stem not in SHARED
    }


def main(arguments: list[str]) -> int:
    """Draw what was asked for; return the exit status (2: bad usage)."""
    parser = argparse.ArgumentParser("python -m paper_figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to draw; see --list")
    parser.add_argument("--list", action="store_true", help="name the figures")
    parser.add_argument("--all", action="store_true", help="draw every one")
    parser.add_argument("--rerun", action="store_true", help="first make the tables anew")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of PDF, PNG, CSV")
    options = parser.parse_args(arguments)
    known = figures()
    if options.list:
        print("\n".join(f"{name:18} {line}" for name, line in known.items()))
        return 0
    names = list(known) if options.all else options.names
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        print(f"expected figures out of {', '.join(known)}; got {unknown or 'none'}. "
              "Try: python -m paper_figures --list", file=sys.stderr)  # fmt: skip
        return 2
    made = provenance()  # before any table changes the checkout
    try:
        for name in names:
            start = time.perf_counter()
            path = draw(name, options.out, made if options.rerun else None)
            print(f"{path} ({time.perf_counter() - start:.1f} s)")
    except QDivergeError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def draw(name: str, out: Path, made: dict[str, Any] | None = None) -> Path:
    """Write NAME.pdf, NAME.png and NAME.csv; return the PDF's path.

    With ``made``, the provenance of this process, the table is computed anew and saved first.
    """
    module = import_module(f"paper_figures.{name}")
    if made is not None:
        command = {"command": f"python -m paper_figures {name} --rerun"}
        tables.save(name, tables.Table(module.compute(), made | command))
    table = tables.load(name)
    out.mkdir(parents=True, exist_ok=True)
    with style():
        figure = module.make(table)
        figure.savefig(out / f"{name}.pdf", metadata={"CreationDate": None})
        figure.savefig(out / f"{name}.png")
    tables.write_csv(table, out / f"{name}.csv")
    return out / f"{name}.pdf"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
