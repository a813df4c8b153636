"""Is the loop right? What the audits of a run's updates found, or that they found nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.numbers import human, whole
from qdiverge.report.settings import alarm_row
from qdiverge.runs import Run


def loop_lists(runs: Sequence[Run]) -> Markup:
    """Return what was found in each run's loop: step, finding, evidence."""
    return element("div", *(_of_run(run, len(runs) > 1) for run in runs), class_="runs")


def audit_line(audit: Mapping[str, Any] | None, num_found: int) -> str:
    """Return how many updates were audited, and what they train, in a sentence.

    Args:
        audit: As ``run.json`` has it; None where there is none.
        num_found: Findings of the run.

    >>> audit_line({"num_audits": 40, "num_undecided": 0, "trains": "δ², γ = 0.99"}, 0)
    'Audited 40 updates, nothing found. It trains: δ², γ = 0.99.'
    >>> audit_line({"num_audits": 0, "why_not": "its loss is known by its step alone"}, 0)
    'No update was audited: its loss is known by its step alone.'
    """
    if audit is None:
        return "No update was audited."
    num, undecided = audit.get("num_audits", 0), audit.get("num_undecided", 0)
    reason = (audit.get("why_not") or "").rstrip(".")
    if not num:
        return f"No update was audited: {reason}." if reason else "No update was audited yet."
    count_text = "nothing found" if not num_found else f"{num_found} found"
    parts = [f"Audited {whole(num)} update{'s' if num > 1 else ''}, {count_text}."]
    if undecided:
        parts.append(f"Of {whole(undecided)} it could not be told what they train.")
    if trains := audit.get("trains"):
        parts.append(f"It trains: {trains}.")
    if reason:
        parts.append(f"Not audited any more: {reason}.")
    return " ".join(parts)


def _of_run(run: Run, is_named: bool) -> Markup:
    name = [element("p", run.name, class_="run")] if is_named else []
    alarms = [alarm for alarm in run.alarms if alarm.kind == "loop"]
    line = element("p", audit_line(run.info.get("audit"), len(alarms)), class_="soft")
    if not alarms:
        return element("div", *name, line)
    rows = [alarm_row(alarm, *_evidence(alarm.evidence)) for alarm in alarms]
    table = element("table", element("tbody", *rows), class_="alarms")
    return element("div", *name, line, table)


def _evidence(evidence: Mapping[str, Any]) -> list[Markup]:
    """Return the numbers that a finding rests on, where it has any."""
    numbers = {k: v for k, v in evidence.items() if isinstance(v, int | float)}
    text = ", ".join(f"{name.replace('_', ' ')} {human(value)}" for name, value in numbers.items())
    return [element("p", f"Seen: {text}.", class_="note")] if text else []
