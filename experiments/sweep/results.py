"""Make the table of a sweep the committed one of its study, or say why it cannot be."""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from experiments.sweep.cells import Cell
from experiments.sweep.command import study_name
from experiments.sweep.sweep import cells_of, default_root
from experiments.sweep.work import study
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import StudyTable, read_table
from qdiverge.runs.whole import write_whole

LARGEST = 5_000_000  # bytes of a committed file
MACHINE_PATH = re.compile(r"""(?:^|[\s='"(,])((?:/|~/|[A-Za-z]:\\)[^/\s][^\s'")]*)""")


def main(arguments: list[str]) -> int:
    """Write the committed table; return the exit status (0 done)."""
    parser = argparse.ArgumentParser(
        "python -m experiments results",
        description=__doc__,
        epilog="Refused are paths of a machine, rows of unknown or uncommitted code, more than "
        "5 MB, and grids with missing cells. Rows are copied as they are, in the grid's order.",
    )
    parser.add_argument("name", type=study_name, help="the study, or a module's dotted name")
    parser.add_argument("--from", dest="table", type=Path, help="default runs/sweeps/NAME's table")
    parser.add_argument("--full", action="store_true", help="of the full grid, not the reduced one")
    parser.add_argument("--incomplete", action="store_true", help="allow for missing cells")
    options = parser.parse_args(arguments)
    path = options.table or default_root(options.name, options.full) / "table.jsonl"
    print(commit_table(options.name, path, options.full, options.incomplete))
    return 0


def commit_table(
    name: str,
    path: Path,
    is_full: bool = False,
    is_incomplete: bool = False,
    place: Path | None = None,
) -> Path:
    """Write the rows of a sweep's table that are of the study's grid, in the grid's order.

    Args:
        name: The study's.
        path: The sweep's table.
        is_full: Whether the grid is the full one.
        is_incomplete: Whether cells may be missing.
        place: The file to write; None: where the study's committed table is.

    Returns:
        The file written.

    Raises:
        RunFolderError: the table must not be committed, for the reasons that it names.
    """
    place = place or place_of(name, is_full)
    table = read_table(path, f"python -m experiments sweep {name}")
    cells = cells_of(name, study(name).cells(is_full), path.parent)
    rows = [table.rows[cell.key] for cell in cells if cell.key in table.rows]
    text = "".join(json.dumps(line) + "\n" for line in (table.header, *rows))
    reasons = [*refusals(name, table, cells, is_incomplete)]
    if len(text) > LARGEST:
        reasons.append(f"it has {len(text) / 1e6:.1f} MB, more than {LARGEST / 1e6:.0f}")
    if reasons:
        raise RunFolderError(
            f"the table of {name} cannot be committed as it is",
            got=f"{path}: {'; '.join(reasons)}",
            remedy="Commit the code, then sweep anew or with --resume into a folder named from "
            "here, such as runs/sweeps/NAME.",
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(place, text)


def refusals(
    name: str, table: StudyTable, cells: Sequence[Cell], is_incomplete: bool = False
) -> Iterator[str]:
    """Yield every reason for which a table must not be committed, but for its size."""
    if table.header.get("study") != name:
        yield f"it is of the study {table.header.get('study')}"
    rows = [table.rows[cell.key] for cell in cells if cell.key in table.rows]
    if not rows:
        yield "no row is of a cell of the grid"
    elif len(rows) < len(cells) and not is_incomplete:
        yield f"{len(cells) - len(rows)} of {len(cells)} cells are missing (see --incomplete)"
    origin = table.header.get("commit")
    commits = [origin, *(row.get("commit", origin) for row in rows)]
    unknown = sorted({str(commit) for commit in commits if not commit or "dirty" in commit})
    if unknown:
        yield f"made by code that is not committed: {', '.join(unknown)}"
    paths = {path for line in (table.header, *rows) for path in machine_paths(line)}
    if paths:
        yield f"paths of a machine: {', '.join(sorted(paths)[:3])}"


def machine_paths(value: Any) -> Iterator[str]:
    """Yield what looks like an absolute path, in any text of a JSON value.

    >>> list(machine_paths({"command": "sweep x --out /tmp/x", "rows": ["~/x", "a / b", "2/λ"]}))
    ['/tmp/x', '~/x']
    """
    if isinstance(value, str):
        yield from MACHINE_PATH.findall(value)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from machine_paths(key)
            yield from machine_paths(part)
    elif isinstance(value, list):
        for part in value:
            yield from machine_paths(part)


def place_of(name: str, is_full: bool) -> Path:
    """Return where the committed table of a study is: in the folder ``results`` beside its cells.

    Raises:
        RunFolderError: the study keeps its results in another form; the command is named.
    """
    module = study(name)
    command = getattr(module, "RESULTS_COMMAND", None)
    if command:
        raise RunFolderError(
            "the results of this study are not one table", got=name, remedy=f"Run: {command}"
        )
    path = Path(module.__file__)
    stem = ("full" if is_full else "reduced") if path.stem == "sweep" else path.stem
    return path.parent / "results" / f"{stem}.jsonl"
