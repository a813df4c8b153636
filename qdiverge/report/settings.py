"""The tables at the end: every alarm, and what it takes to run it again."""

from collections.abc import Sequence
from typing import Any

from qdiverge.report.alarm_kinds import kind_label
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.glossary import linked_rule
from qdiverge.report.numbers import whole
from qdiverge.runs import AlarmEvent, Run, status_of

_GENERAL = (
    "update_rule",
    "command",
    "seed",
    "device",
    "hardware",
    "started",
    "seconds",
    "status",
    "commit",
    "script_commit",
)
_NEVER_MARKED = {"started", "seconds", "status"}  # these differ anyway
_MOST_ALARMS = 8


def settings_table(runs: Sequence[Run]) -> Markup:
    """Return the table, a column for each run; what differs between runs is marked."""
    infos = [run.info | {"status": status_of(run.info)} for run in runs]
    rows = [_row(name, [_show(info.get(name)) for info in infos]) for name in _GENERAL]
    for group in ("config", "versions"):
        parts: list[dict[str, Any]] = [
            part if isinstance(part := info.get(group), dict) else {} for info in infos
        ]
        names = dict.fromkeys(name for part in parts for name in part)
        heading = element("th", group, colspan=len(runs) + 1)
        rows.append(element("tr", heading, class_="part"))
        rows += [_row(name, [_show(part.get(name)) for part in parts]) for name in names]
    head = element("tr", element("th", ""), *(element("th", run.name) for run in runs))
    return element("table", element("thead", head), element("tbody", *rows))


def alarm_lists(runs: Sequence[Run]) -> Markup:
    """Return the first alarms of each run, and its notes: step, class, rule, message."""
    return element("div", *(_alarm_list(run, len(runs) > 1) for run in runs), class_="runs")


def alarm_row(alarm: AlarmEvent, *more: Markup) -> Markup:
    """Return a row on one alarm, finding or note, with ``more`` at its end."""
    return element(
        "tr",
        element("th", whole(alarm.step)),
        element(
            "td",
            kind_label(alarm.kind),
            " ",
            element("b", linked_rule(alarm.rule)),
            f": {alarm.message}",
            *more,
        ),
    )


def _alarm_list(run: Run, is_named: bool) -> Markup:
    name = [element("p", run.name, class_="run")] if is_named else []
    alarms = sorted((a for a in run.alarms if a.kind != "loop"), key=lambda alarm: alarm.step)
    if not any(alarm.is_alarm for alarm in alarms):
        name.append(element("p", "None was raised.", class_="soft"))
    shown = alarms[:_MOST_ALARMS]
    rows = element("tbody", *(alarm_row(alarm) for alarm in shown))
    table = [element("table", rows, class_="alarms")] if shown else []
    num_more = len(alarms) - len(shown)
    more = f"and {whole(num_more)} more, in events.jsonl"
    return element("div", *name, *table, *([element("p", more, class_="note")] if num_more else []))


def _row(name: str, values: list[str]) -> Markup:
    cells = [element("td", value) for value in values]
    differs = "differs" if len(set(values)) > 1 and name not in _NEVER_MARKED else None
    return element("tr", element("th", name.replace("_", " ")), *cells, class_=differs)


def _show(value: object) -> str:
    """Write a value: a dash for what is not known, nested settings on one line."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_show(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_show(v) for v in value)
    return str(value)
