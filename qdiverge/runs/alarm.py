"""An alarm as it stands in a run's log."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Alarm:
    """A rule that fired: at which step and update, and what it says to a person."""

    step: int
    update: int
    rule: str
    message: str
