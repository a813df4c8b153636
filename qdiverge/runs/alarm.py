"""An alarm as it stands in a run's log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CONDITIONS = frozenset({"dead_units", "rank_collapse"})  # rules of runs that named no class yet


@dataclass(frozen=True)
class Alarm:
    """Something that a person should know of a run.

    Attributes:
        step: In the run's own unit.
        update: Optimiser updates made before.
        rule: Which rule fired, or which finding of an audit it is.
        message: What it says to a person.
        kind: "divergence", the only one that counts as an alarm of it; "loop": the loop trains
            something else than it is said to; "condition": the network can tell less apart.
        evidence: The numbers that a finding rests on.
    """

    step: int
    update: int
    rule: str
    message: str
    kind: str = "divergence"
    evidence: Mapping[str, Any] = field(default_factory=dict)


def read_alarm(entry: Mapping[str, Any]) -> Alarm:
    """Return the alarm of a line of ``events.jsonl``.

    >>> read_alarm({"step": 5, "update": 1, "rule": "dead_units", "message": "…"}).kind
    'condition'
    """
    rule = entry["rule"]
    kind = entry.get("class") or ("condition" if rule in CONDITIONS else "divergence")
    return Alarm(
        entry["step"], entry["update"], rule, entry["message"], kind, entry.get("evidence", {})
    )
