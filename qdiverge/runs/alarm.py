"""An alarm as it stands in a run's log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qdiverge.plain_text import plain

Kind = Literal["divergence", "loop", "condition"]
WORDS: Mapping[Kind, str] = {"divergence": "ALARM", "loop": "LOOP", "condition": "NOTE"}
PLACES: Mapping[Kind, str] = {"divergence": "alarms", "loop": "loop", "condition": "notes"}
CONDITIONS = frozenset({"dead_units", "rank_collapse"})  # rules of runs that named no class yet


@dataclass(frozen=True)
class AlarmEvent:
    """Something that a person should know of a run: when, by which rule, and what it says.

    Attributes:
        step: In the run's own unit.
        update: Optimiser updates made before.
        rule: The rule that fired, or the code of an audit's finding.
        message: A sentence for a person.
        kind: "divergence": the values leave what any policy can earn, or will; "loop": an audit
            found the loop to train something else than it is said to; "condition": a note on what
            the network can tell apart. Only the first is an alarm, and can end a run.
        evidence: The numbers that a finding rests on.
    """

    step: int
    update: int
    rule: str
    message: str
    kind: Kind = "divergence"
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_alarm(self) -> bool:
        """Return whether it is of divergence."""
        return self.kind == "divergence"

    @property
    def word(self) -> str:
        """Return what it is called on a terminal."""
        return WORDS.get(self.kind, str(self.kind))


def read_alarm(entry: Mapping[str, Any]) -> AlarmEvent:
    """Return the alarm of a line of ``events.jsonl``.

    >>> read_alarm({"step": 5, "update": 1, "rule": "dead_units", "message": "…"}).kind
    'condition'
    """
    rule = plain(entry["rule"])  # a kind of a later version is kept as it is
    kind: Any = plain(entry.get("class") or "") or (
        "condition" if rule in CONDITIONS else "divergence"
    )
    message, evidence = plain(entry["message"]), entry.get("evidence", {})
    return AlarmEvent(entry["step"], entry["update"], rule, message, kind, evidence)
