"""One panel of the report: what it shows, how to read it, where its numbers come from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from qdiverge.diagnostics.catalogue import METRICS, cost_of
from qdiverge.report.drawing.axes import Kind
from qdiverge.runs import Run

BOUND = "diverge/soft_divergence_bound"
Level = Callable[[Run], tuple[float, str] | None]

ATTACH = "Attach a monitor: qd.attach(q_network, optimizer=optimizer, discount=0.99, out=…)."
OF_COST = {
    "standard": 'The kernel diagnostics write it: qd.attach(…, cost="standard").',
    "full": 'It takes two kernels a measurement: qd.attach(…, cost="full").',
}


@dataclass(frozen=True)
class Panel:
    """A panel with a chart for each run.

    Attributes:
        title: The quantity.
        how: How to read it.
        subject: Metric key and label of the line that the panel is about; ``{}`` in a label becomes
            the last value.
        formula: Its definition; ``_x`` and ``_{xy}`` become subscripts. "": the one that the
            subject's metric declares.
        beside: Keys and labels of quieter lines.
        band: Keys of a lower and an upper series.
        is_bounded: Whether the soft-divergence bound belongs to it.
        level: A horizontal reference for a run: value and label, or None.
        kind: The axis; "auto" takes symlog where values span many sizes, linear elsewhere. Of
            fractions "percent", or "share" where the axis shows all of 0 to 1.
        is_averaged: Whether the subject is single events, drawn as dots behind their mean.
        how_to_have: How to have the numbers in the next run; "": by the cost of the subject.
    """

    title: str
    how: str
    subject: tuple[str, str]
    formula: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    band: tuple[str, str] | None = None
    is_bounded: bool = False
    level: Level | None = None
    kind: Kind | Literal["auto", "share", "percent"] = "auto"
    is_averaged: bool = False
    how_to_have: str = ""

    @property
    def definition(self) -> str:
        """Return the formula that stands under the title."""
        return self.formula or METRICS[self.subject[0]].formula

    @property
    def remedy(self) -> str:
        """Return how to have the numbers in the next run."""
        return self.how_to_have or OF_COST.get(cost_of(self.subject[0]) or "", ATTACH)

    @property
    def logged(self) -> tuple[str, ...]:
        """Return the keys that a run must have logged for the panel to be complete."""
        return (self.subject[0], *(key for key, _ in self.beside), *(self.band or ()))

    @property
    def keys(self) -> tuple[str, ...]:
        """Return every metric key that the panel draws; a bound is known also where none is."""
        return (*self.logged, BOUND) if self.is_bounded else self.logged


@dataclass(frozen=True)
class Question:
    """A question that a reader of the page has, and the panels that answer it."""

    title: str
    panels: tuple[Panel, ...]


def level_at(value: float, label: str = "") -> Level:
    """Return a level that is the same for every run."""
    return lambda run: (value, label)
