"""The events of a run as columns: wide, a row for each step, or long, a row for each number."""

import math
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from qdiverge.errors import InvalidValueError
from qdiverge.plain_text import plain

MOST_LISTED = 80  # names of metrics in an error, and characters of each
RESERVED = {"kind", "step", "time", "crc32"}
Columns = dict[str, list[Any]]  # name → cells from top to bottom; None where nothing was measured


def wide(entries: Iterable[Mapping[str, Any]], patterns: Sequence[str] = ()) -> Columns:
    """Return a row for each step: step, time, and a column for each metric.

    Lines of one step share a row unless both hold the same metric, such as the returns of two
    episodes that ended together: then the step has a second row, and no number is lost. The time,
    in seconds since the start, is that of the row's first line.

    Args:
        entries: Lines of ``events.jsonl``, in their order.
        patterns: Shell patterns of the metrics to keep, such as ``diverge/*``; none: all.

    >>> lines = [{"kind": "metrics", "step": 5, "time": 1.0, "loss": 2.0},
    ...          {"kind": "metrics", "step": 5, "time": 1.1, "score": "nan"},
    ...          {"kind": "metrics", "step": 6, "time": 1.2, "loss": 3.0}]
    >>> wide(lines)
    {'step': [5, 6], 'time': [1.0, 1.2], 'loss': [2.0, 3.0], 'score': [nan, None]}
    """
    rows: list[tuple[int, float, dict[str, float]]] = []
    keys: set[str] = set()
    for step, time, values in _metrics(entries, patterns):
        keys |= values.keys()
        if rows and rows[-1][0] == step and not rows[-1][2].keys() & values.keys():
            rows[-1][2].update(values)
        else:
            rows.append((step, time, dict(values)))
    columns: Columns = {"step": [row[0] for row in rows], "time": [row[1] for row in rows]}
    return columns | {key: [row[2].get(key) for row in rows] for key in sorted(keys)}


def long(entries: Iterable[Mapping[str, Any]], patterns: Sequence[str] = ()) -> Columns:
    """Return a row for each number: step, time, metric, value; see :func:`wide`.

    >>> long([{"kind": "metrics", "step": 5, "time": 1.0, "loss": 2.0, "score": "-inf"}])
    {'step': [5, 5], 'time': [1.0, 1.0], 'metric': ['loss', 'score'], 'value': [2.0, -inf]}
    """
    rows = [
        (step, time, key, value)
        for step, time, values in _metrics(entries, patterns)
        for key, value in values.items()
    ]
    names = ("step", "time", "metric", "value")
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def alarms(entries: Iterable[Mapping[str, Any]]) -> Columns:
    """Return a row for each alarm: step, time, update, rule, message."""
    names = ("step", "time", "update", "rule", "message")
    rows = [entry for entry in entries if entry["kind"] == "alarm"]
    return {name: [entry.get(name) for entry in rows] for name in names}


def check_patterns(patterns: Sequence[str], entries: Iterable[Mapping[str, Any]]) -> None:
    """Raise an InvalidValueError where a pattern matches none of the metrics of a run."""
    keys = sorted({key for e in entries if e["kind"] == "metrics" for key in e} - RESERVED)
    for pattern in patterns:
        if not any(fnmatchcase(key, pattern) for key in keys):
            raise InvalidValueError(
                "every pattern of --metrics must match a metric of the run",
                got=repr(pattern),
                remedy=f"It has {_listed(keys)}.",
            )


def _listed(keys: Sequence[str]) -> str:
    """Return the names of metrics, as far as a person reads on."""
    names = [key[:MOST_LISTED] for key in keys[:MOST_LISTED]]
    return ", ".join([*names, "…"] if len(keys) > MOST_LISTED else names) or "none"


def _metrics(
    entries: Iterable[Mapping[str, Any]], patterns: Sequence[str]
) -> Iterable[tuple[int, float, dict[str, float]]]:
    names: dict[str, str | None] = {}  # as they are shown; None: not asked for
    for entry in entries:
        if entry["kind"] != "metrics":
            continue
        values = {}
        for key in entry:
            if key in RESERVED:
                continue
            if key not in names:
                is_asked_for = not patterns or any(fnmatchcase(key, each) for each in patterns)
                names[key] = plain(key) if is_asked_for else None
            if (name := names[key]) is not None:
                values[name] = float(entry[key])
        if values:
            yield entry["step"], entry.get("time", math.nan), values
