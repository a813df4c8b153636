"""What a line chart shows, and where on the drawing it shows it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdiverge.report.drawing.axes import Axis
from qdiverge.runs import Series

Style = Literal["main", "quiet", "bound", "ahead", "dots", "edge"]
WIDTH, HEIGHT = 520.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 112.0, 26.0, 30.0


@dataclass(frozen=True)
class Line:
    """A series and how it is drawn: the subject, beside or ahead of it, a reference, or events.

    The label may hold ``{}``, which becomes the last finite value. An "edge" of a band is not drawn
    itself. Under ``name`` the drawing carries the numbers, as those of ``run`` where it is not the
    chart's; without a name it does not. A ``hue`` sets lines of several runs apart.
    """

    label: str
    series: Series
    style: Style = "main"
    name: str = ""
    hue: int | None = None
    run: str = ""

    @property
    def look(self) -> str:
        """Return the class that it is drawn by."""
        return self.style if self.hue is None else f"{self.style} hue-{self.hue}"


@dataclass(frozen=True)
class Band:
    """The space between two series, filled; a ``hue`` is that of a line."""

    low: Series
    high: Series
    hue: int | None = None


@dataclass(frozen=True)
class Chart:
    """What one chart shows.

    Attributes:
        title: For a reader who does not see it.
        x: Axis of the steps.
        y: Axis of the values.
        unit: Of the steps.
        lines: Drawn in this order, labelled at their last finite point.
        bands: Filled, behind the lines.
        levels: Horizontal references: value and label.
        alarms: Steps of the alarms.
        findings: Steps of findings on the loop.
        notes: Steps of notes on the network.
        syncs: Steps at which the target network was synchronised.
        crossing: Where the subject passed its bound, if it did.
        is_percent: Whether values are fractions to be read as percentages.
        is_named: Whether alarm and crossing are labelled in words.
        run: Whose numbers they are.
    """

    title: str
    x: Axis
    y: Axis
    unit: str
    lines: tuple[Line, ...]
    bands: tuple[Band, ...] = ()
    levels: tuple[tuple[float, str], ...] = ()
    alarms: tuple[int, ...] = ()
    findings: tuple[int, ...] = ()
    notes: tuple[int, ...] = ()
    syncs: tuple[int, ...] = ()
    crossing: tuple[int, float] | None = None
    is_percent: bool = False
    is_named: bool = False
    run: str = ""

    def x_at(self, steps: np.ndarray | float) -> np.ndarray:
        """Return the horizontal places of steps, in pixels of the drawing."""
        return LEFT + self.x(steps) * (WIDTH - LEFT - RIGHT)

    def y_at(self, values: np.ndarray | float) -> np.ndarray:
        """Return the vertical places of values, in pixels of the drawing."""
        return HEIGHT - BOTTOM - self.y(values) * (HEIGHT - TOP - BOTTOM)
