"""What the studies' commands share: arguments, the committed table, and how it is printed."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis.statistics import bootstrap_interval, wilson_interval
from qdiverge.runs.table import StudyTable, read_table

FOLDER = Path(__file__).parent
NOTHING = "–"  # in the place of a number that there is none of
Record = dict[str, Any]


def results_of(study: str) -> Path:
    """Return the file of a study's committed table."""
    return FOLDER / study / "results" / "reduced.jsonl"


def sweep_command(study: str) -> str:
    """Return the command that makes a study's table anew."""
    return f"python -m experiments sweep {study}"


def read(study: str, path: Path | None = None) -> StudyTable:
    """Read the committed table of a study, or the one at ``path``.

    Raises:
        RunFolderError: it is missing, or of another schema; the command that makes it is named.
    """
    return read_table(path or results_of(study), sweep_command(study))


def parser(study: str, description: str | None) -> argparse.ArgumentParser:
    """Return the arguments of a study that prints its table."""
    made = argparse.ArgumentParser(
        f"python -m experiments {study}",
        description=description,
        epilog=f"The grid is run by `{sweep_command(study)}`.",
    )
    made.add_argument("--table", type=Path, help="default: the committed one")
    return made


def print_study(study: str, path: Path | None, show: Callable[[list[Record]], None]) -> None:
    """Print the records of a table, then the command, commit and date that it is from."""
    table = read(study, path)
    show(table.records())
    header = table.header
    print(f"{header['command']}, commit {header['commit']}, {header['started'][:10]}")


@dataclass(frozen=True)
class Column:
    """A column of a printed table.

    Attributes:
        title: Its head.
        value: The name of a setting or result, or a function of a row; None prints as a dash.
        format: As of ``format``; beginning with "<": to the left.
    """

    title: str
    value: str | Callable[[Any], Any]
    format: str = ""

    def text(self, row: Any) -> str:
        """Return what stands in a row: a record, or a group of records that share the setting.

        >>> Column("α", "rate", ".2f").text([{"rate": 0.1}, {"rate": 0.1}])
        '0.10'
        """
        if callable(self.value):
            value = self.value(row)
        else:
            value = (row[0] if isinstance(row, list) else row)[self.value]
        return NOTHING if value is None else format(value, self.format)


def print_table(title: str, columns: Sequence[Column], rows: Iterable[Any]) -> None:
    """Print a title, under it the columns, each as wide as its widest text, and an empty line.

    >>> print_table("squares", [Column("n", "n", "<"), Column("n²", lambda row: row["n"] ** 2)],
    ...             [{"n": 2}, {"n": 11}])
    squares
    n    n²
    2     4
    11  121
    <BLANKLINE>
    """
    lines = [[c.title for c in columns], *([c.text(row) for c in columns] for row in rows)]
    widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
    print(title)
    for line in lines:
        padded = (
            text.ljust(width) if column.format.startswith("<") else text.rjust(width)
            for column, text, width in zip(columns, line, widths, strict=True)
        )  # fmt: skip
        print("  ".join(padded).rstrip())
    print()


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, its first column to the left; what a row lacks stays empty.

    >>> print(markdown(["loop", "ms"], [["ours", "2.0"], ["not run"]]))
    | loop | ms |
    |---|--:|
    | ours | 2.0 |
    | not run | |
    """
    lines = [
        "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)
        for cells in (titles, *([*row, *[""] * (len(titles) - len(row))] for row in rows))
    ]
    lines.insert(1, "|---|" + "--:|" * (len(titles) - 1))
    return "\n".join(lines)


def grouped(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Return the records of each combination of settings, in the order in which these come.

    >>> grouped([{"a": 1, "b": 2}, {"a": 0, "b": 2}, {"a": 1, "b": 3}], "a")
    {(1,): [{'a': 1, 'b': 2}, {'a': 1, 'b': 3}], (0,): [{'a': 0, 'b': 2}]}
    """
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in names), []).append(record)
    return groups


def with_interval(centre: float, interval: Iterable[float], spec: str) -> str:
    """Return a number with its interval.

    >>> with_interval(2.0, (1.5, 2.25), ".1f")
    '2.0 [1.5, 2.2]'
    """
    low, high = interval
    return f"{centre:{spec}} [{low:{spec}}, {high:{spec}}]"


def mean(values: Iterable[float | None], spec: str = ".3g") -> str:
    """Return the mean of what there is, with its 95 % bootstrap interval.

    >>> mean([1.0, None, 1.0])
    '1 [1, 1]'
    """
    numbers = np.array([[value] for value in values if value is not None], dtype=float)
    if not len(numbers):
        return NOTHING
    interval = bootstrap_interval(numbers, statistic=lambda x: float(x.mean()))
    return with_interval(float(numbers.mean()), interval, spec)


def share(count: int, total: int, spec: str = ".0%") -> str:
    """Return a count out of a total, with Wilson's 95 % interval of the rate.

    >>> share(0, 10)
    '0 of 10 [0%, 28%]'
    """
    low, high = wilson_interval(count, total)
    return f"{count} of {total} [{low:{spec}}, {high:{spec}}]"
