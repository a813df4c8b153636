"""The command ``python -m paper_figures``: draw figures from their tables, or make those anew."""

import argparse
import ast
import sys
import time
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from paper_figures import gallery, tables
from qdiverge.errors import InvalidValueError, QDivergeError, RunFolderError
from qdiverge.runs import provenance
from qdiverge.runs.export import write_csv

FOLDER = Path(__file__).parent


def figures() -> dict[str, str]:
    """Return each figure's one-line description by name: of every file here that has a ``make``.

    >>> figures()["target_period"]
    'Baird’s star under a hard target network: the growth per update against the period.'
    """
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(FOLDER.glob("*.py"))
    }
    return {
        name: (ast.get_docstring(tree) or "").split("\n")[0]
        for name, tree in trees.items()
        if any(isinstance(part, ast.FunctionDef) and part.name == "make" for part in tree.body)
    }


def main(arguments: list[str]) -> int:
    """Draw what was asked for; return the exit status (2: bad usage)."""
    parser = argparse.ArgumentParser("python -m paper_figures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="figures to draw; see --list")
    parser.add_argument("--list", action="store_true", help="name the figures")
    parser.add_argument("--all", action="store_true", help="draw every one")
    parser.add_argument("--rerun", action="store_true", help="first make the tables anew")
    parser.add_argument("--run", type=Path, help="with --rerun: a run to take, where one is taken")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder of PDF, PNG, CSV")
    parser.add_argument("--gallery", action="store_true", help="renew the pictures of README.md")
    options = parser.parse_args(arguments)
    described = figures()
    if options.list:
        print("\n".join(f"{name:22} {line}" for name, line in described.items()))
        return 0
    names = list(described) if options.all else options.names
    unknown = [name for name in names if name not in described]
    if unknown or not names:
        print(f"expected figures out of {', '.join(described)}; got {unknown or 'none'}. "
              "Try: python -m paper_figures --list", file=sys.stderr)  # fmt: skip
        return 2
    made = provenance()  # before any table changes the checkout
    try:
        for name in names:
            start = time.perf_counter()
            if options.rerun:
                compute(name, made, options.run)
            path = draw(name, options.out)
            if options.gallery:
                gallery.shrink(path.with_suffix(".png"))
            print(f"{path} ({time.perf_counter() - start:.1f} s)")
    except QDivergeError as error:
        print(error, file=sys.stderr)
        return 2
    if options.gallery:
        gallery.write_origins(described)
    return 0


def compute(name: str, made: dict[str, Any], run: Path | None = None) -> None:
    """Compute the table of a figure anew, and save it.

    Args:
        name: The figure's; its ``compute`` returns the columns, or a table whose provenance
            is that of the data that it was read from.
        made: The provenance of this process.
        run: The folder of a run, for figures of one: those whose ``compute`` takes ``run``.
    """
    module = import_module(f"paper_figures.{name}")
    command, start = tables.rerun(name), time.process_time()
    if run is None:
        table = module.compute()
    elif "run" in signature(module.compute).parameters:
        table = module.compute(run=run)
        command += f" --run {'/'.join(run.parts[-2:])}"  # not whose machine it is on
    else:
        raise InvalidValueError(
            "this figure is not made from a run", got=name, remedy="Leave out --run."
        )
    if not isinstance(table, tables.Table):
        table = tables.Table(table, {})
    own = made | {"command": command, "seconds": round(time.process_time() - start, 1)}
    data = {"data": table.provenance} if table.provenance else {}
    tables.save(name, tables.Table(table.columns, own | data))


def draw(name: str, out: Path) -> Path:
    """Write NAME.pdf, NAME.png and NAME.csv from the figure's table; return the PDF's path.

    Raises:
        RunFolderError: there is no table, or one of an older make; the command is named.
    """
    import matplotlib.pyplot as plt

    from paper_figures.style import style

    module, table = import_module(f"paper_figures.{name}"), tables.load(name)
    out.mkdir(parents=True, exist_ok=True)
    open_before = set(plt.get_fignums())
    with style():
        try:
            figure = _made(module, name, table)
            figure.savefig(out / f"{name}.pdf", metadata={"CreationDate": None})
            figure.savefig(out / f"{name}.png")
        finally:
            for number in set(plt.get_fignums()) - open_before:
                plt.close(number)
    with (out / f"{name}.csv").open("wb") as file:
        write_csv(table.columns, file)
    return out / f"{name}.pdf"


def _made(module: Any, name: str, table: tables.Table) -> Any:
    try:
        return module.make(table)
    except KeyError as error:
        raise RunFolderError(
            f"the table {name}.json must have a column {error}",
            got=", ".join(table.columns),
            remedy=f"It is an older version's. Run: {tables.rerun(name)}",
        ) from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
