"""The table behind a figure: columns, and where they come from."""

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.tables import read, sweep_command
from qdiverge.errors import RunFolderError
from qdiverge.runs.table import StudyTable
from qdiverge.runs.whole import write_whole

DATA = Path(__file__).parent / "data"
WIDEST = 160  # characters of a line at the foot of a figure


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and the provenance of their numbers.

    Attributes:
        columns: By name.
        provenance: Of the process that computed them. Where it read them from elsewhere, from the
            table of a study or the folder of a run, ``data`` in it is the provenance of that.
    """

    columns: dict[str, list[Any]]
    provenance: dict[str, Any]

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the columns as arrays."""
        return {name: np.array(values) for name, values in self.columns.items()}

    @property
    def num_seeds(self) -> int:
        """Return how many seeds there are in the column ``seed``."""
        return len(set(self.columns["seed"]))

    @property
    def source(self) -> str:
        """Return small lines for a figure's foot: what measured the numbers, where and when."""
        p = self.provenance
        made = p.get("data", p)
        versions = ", ".join(f"{k} {made['versions'][k]}" for k in ("qdiverge", "torch", "numpy"))
        lines = [
            made["command"],
            f"commit {made['commit']} · {versions} · {made['hardware']} · {made['started'][:10]}",
        ]
        if "data" in p:
            lines.append(f"{p['command']} (commit {p['commit']}, {p['started'][:10]})")
        return "\n".join(textwrap.shorten(line, WIDEST) for line in lines)


def columns_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns.

    >>> columns_of([{"a": 1, "b": 2}, {"a": 3, "b": 4}])
    {'a': [1, 3], 'b': [2, 4]}
    """
    listed = list(rows)
    return {name: [row[name] for row in listed] for name in listed[0]}


def of_study(name: str) -> tuple[StudyTable, dict[str, Any]]:
    """Return the committed table of a study, and its provenance with the time its cells took.

    Raises:
        RunFolderError: it is missing, or of another schema; the command that makes it is named.
    """
    study = read(name)
    seconds = sum(row.get("seconds", 0.0) for row in study.rows.values())
    return study, {"seconds": round(seconds), **study.header, "command": sweep_command(name)}


def from_study(
    name: str, rows_of: Callable[[dict[str, Any]], Iterable[Mapping[str, Any]]]
) -> Table:
    """Return the rows that ``rows_of`` makes of each record of a study; runs nothing."""
    study, made = of_study(name)
    return Table(columns_of(row for record in study.records() for row in rows_of(record)), made)


def along(
    record: Mapping[str, Any], settings: Sequence[str], series: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each entry of a record's series, its settings beside them.

    >>> list(along({"seed": 1, "x": [2, 3], "y": [4, 5]}, ["seed"], ["x", "y"]))
    [{'seed': 1, 'x': 2, 'y': 4}, {'seed': 1, 'x': 3, 'y': 5}]
    """
    for entries in zip(*(record[name] for name in series), strict=True):
        yield {name: record[name] for name in settings} | dict(zip(series, entries, strict=True))


def chosen(columns: Mapping[str, np.ndarray], **conditions: Any) -> dict[str, np.ndarray]:
    """Return the columns of the rows that meet every condition.

    >>> chosen({"a": np.array(["x", "y"]), "b": np.array([1, 2])}, a="y")["b"]
    array([2])
    """
    own = np.logical_and.reduce([columns[name] == value for name, value in conditions.items()])
    return {name: values[own] for name, values in columns.items()}


def joint(provenances: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one provenance for several: the first one's, but every commit and command.

    >>> joint([{"commit": "a", "command": "x"}, {"commit": "b", "command": "x"}])
    {'commit': 'a, b', 'command': 'x'}
    """
    every = {
        key: ", ".join(dict.fromkeys(str(one[key]) for one in provenances))
        for key in ("commit", "command")
    }
    return dict(provenances[0]) | every


def save(name: str, table: Table, folder: Path = DATA) -> Path:
    """Write ``NAME.json``, a line for each column; whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = ",\n".join(
        f"  {json.dumps(key)}: {json.dumps(column, separators=(',', ':'))}"
        for key, column in table.columns.items()
    )
    origin = json.dumps(table.provenance, indent=1)
    content = f'{{"provenance": {origin},\n "columns": {{\n{columns}\n }}\n}}\n'
    return write_whole(folder / f"{name}.json", content)


def rerun(name: str) -> str:
    """Return the command that computes the table of a figure anew."""
    return f"python -m paper_figures {name} --rerun"


def load(name: str, folder: Path = DATA) -> Table:
    """Read the table of a figure.

    Raises:
        RunFolderError: it is not there, torn, or its columns differ in length; run what it says.
    """
    path, remedy = folder / f"{name}.json", f"Run: {rerun(name)}"
    if not path.exists():
        raise RunFolderError(f"the figure needs its table {path.name}", got="none", remedy=remedy)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        lengths = {len(column) for column in content["columns"].values()}
    except (json.JSONDecodeError, KeyError) as error:
        raise RunFolderError(
            f"{path.name} must hold provenance and columns", got=repr(error), remedy=remedy
        ) from error
    if len(lengths) != 1:
        raise RunFolderError(
            f"columns of one length in {path.name}", got=sorted(lengths), remedy=remedy
        )
    return Table(content["columns"], content["provenance"])
