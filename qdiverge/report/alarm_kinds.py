"""The three classes of what a monitor says: each with a word, a mark and a colour of its own."""

from collections.abc import Mapping
from typing import Final

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.runs.alarm import WORDS, AlarmEvent, Kind

MARKS: Final[Mapping[Kind, str]] = {"divergence": "▲", "loop": "◆", "condition": "●"}


def kind_label(kind: Kind) -> Markup:
    """Return the mark and the word of a class, in its colour.

    >>> kind_label("loop")
    '<span class="kind of-loop">◆ LOOP</span>'
    """
    text = f"{MARKS[kind]} {WORDS[kind]}" if kind in WORDS else str(kind)  # of a later version
    return element("span", text, class_=f"kind of-{kind}")


def steps_of(alarms: tuple[AlarmEvent, ...], kind: Kind) -> tuple[int, ...]:
    """Return the steps of what is of a class."""
    return tuple(alarm.step for alarm in alarms if alarm.kind == kind)
