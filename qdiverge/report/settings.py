"""The table that lets a reader run it again: settings, versions, seed, hardware, command."""

from collections.abc import Sequence
from typing import Any

from qdiverge.report.svg import Markup, element
from qdiverge.runs import Run

_GENERAL = ("command", "seed", "device", "hardware", "started", "seconds", "status", "commit")


def settings_table(runs: Sequence[Run]) -> Markup:
    """Return the table, a column for each run; what differs between runs is marked."""
    infos = [run.info for run in runs]
    rows = [_row(name, [_show(info.get(name)) for info in infos]) for name in _GENERAL]
    for group in ("config", "versions"):
        parts: list[dict[str, Any]] = [
            part if isinstance(part := info.get(group), dict) else {} for info in infos
        ]
        names = dict.fromkeys(name for part in parts for name in part)
        heading = element("th", group, colspan=len(runs) + 1)
        rows.append(element("tr", heading, class_="group-name"))
        rows += [_row(name, [_show(part.get(name)) for part in parts]) for name in names]
    head = element("tr", element("th", ""), *(element("th", run.name) for run in runs))
    return element("table", element("thead", head), element("tbody", *rows))


def _row(name: str, values: list[str]) -> Markup:
    cells = [element("td", value) for value in values]
    differs = "differs" if len(set(values)) > 1 else None
    return element("tr", element("th", name.replace("_", " ")), *cells, class_=differs)


def _show(value: object) -> str:
    """A dash for what is not known; nested settings on one line."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_show(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_show(v) for v in value)
    return str(value)
