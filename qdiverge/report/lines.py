"""A line chart: labels at the lines, alarms as ticks on the time axis, non-finite ends marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qdiverge.report.axes import Axis
from qdiverge.report.decimate import decimate
from qdiverge.report.numbers import compact, human, percent, whole
from qdiverge.report.svg import Markup, drawing, element, polyline
from qdiverge.runs import Series

WIDTH, HEIGHT = 520.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 50.0, 96.0, 26.0, 30.0
_LINE_HEIGHT = 17.0  # of two labels that would overlap
_MOST_MARKS = 60


@dataclass(frozen=True)
class Line:
    """A series and how it is drawn: the subject, beside it, a reference, or single events."""

    label: str
    series: Series
    style: Literal["main", "quiet", "bound", "dots"] = "main"


@dataclass(frozen=True)
class Chart:
    """What one chart shows.

    Attributes:
        title: For a reader who does not see it.
        x: Axis of the steps.
        y: Axis of the values.
        unit: Of the steps.
        lines: Drawn in this order, labelled at their last finite point.
        band: A lower and an upper series with the space between them filled.
        levels: Horizontal references: value and label.
        alarms: Steps of the alarms.
        crossing: Where the subject passed its bound, if it did.
        is_percent: Whether values are fractions to be read as percentages.
        is_named: Whether alarm and crossing are labelled in words.
        is_valued: Whether the last value of a line stands in its label.
    """

    title: str
    x: Axis
    y: Axis
    unit: str
    lines: tuple[Line, ...]
    band: tuple[Series, Series] | None = None
    levels: tuple[tuple[float, str], ...] = ()
    alarms: tuple[int, ...] = ()
    crossing: tuple[int, float] | None = None
    is_percent: bool = False
    is_named: bool = False
    is_valued: bool = True


def line_chart(chart: Chart) -> Markup:
    """Draw the chart."""
    subjects = [line for line in chart.lines if line.style in ("main", "dots")]
    return drawing(
        chart.title,
        WIDTH,
        HEIGHT,
        *_non_finite(chart, [line.series for line in subjects]),
        *_frame(chart),
        *_levels(chart),
        *_band(chart),
        *(_line(chart, line) for line in chart.lines),
        *_alarms(chart),
        *_crossing(chart),
        *_end_labels(chart),
    )


def non_finite_spans(series: Series) -> list[tuple[int, int | None, str]]:
    """Return (first step, next finite step or None, "NaN" or "∞") of every non-finite stretch.

    What precedes the first finite value is a quantity not yet defined, and is passed over.

    >>> non_finite_spans(Series(np.arange(5), np.array([np.nan, 1.0, np.inf, 2.0, np.nan])))
    [(2, 3, '∞'), (4, None, 'NaN')]
    """
    finite = np.isfinite(series.values)
    edges = np.flatnonzero(np.diff(finite.astype(int)))
    spans = []
    for edge in edges[finite[edges]]:  # the last finite point before a stretch
        after = np.flatnonzero(finite[edge + 1 :])
        stop = int(series.steps[edge + 1 + after[0]]) if after.size else None
        kind = "NaN" if np.isnan(series.values[edge + 1]) else human(series.values[edge + 1])
        spans.append((int(series.steps[edge + 1]), stop, kind))
    if not finite.any() and len(finite):
        spans.append((int(series.steps[0]), None, "NaN"))
    return spans


def _x(chart: Chart, steps: np.ndarray | float) -> np.ndarray:
    return LEFT + chart.x(steps) * (WIDTH - LEFT - RIGHT)


def _y(chart: Chart, values: np.ndarray | float) -> np.ndarray:
    return HEIGHT - BOTTOM - chart.y(values) * (HEIGHT - TOP - BOTTOM)


def _frame(chart: Chart) -> list[Markup]:
    """Hairlines at the y ticks, step ticks below, no box."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    marks = []
    for tick in chart.y.ticks():
        y = float(_y(chart, tick))
        text = percent(tick) if chart.is_percent else compact(tick)
        marks.append(element("line", class_="grid", x1=LEFT, x2=right, y1=y, y2=y))
        marks.append(element("text", text, class_="tick end", x=LEFT - 6, y=y + 4))
    marks.append(element("line", class_="axis", x1=LEFT, x2=right, y1=bottom, y2=bottom))
    for tick in chart.x.ticks():
        x = float(_x(chart, tick))
        marks.append(element("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        marks.append(element("text", compact(tick), class_="tick mid", x=x, y=bottom + 18))
    unit = chart.unit.rpartition(" ")[2]
    return [*marks, element("text", unit, class_="tick", x=right + 14, y=bottom + 18)]


def _levels(chart: Chart) -> list[Markup]:
    marks = []
    for value, _ in chart.levels:
        y = float(_y(chart, value))
        marks.append(element("line", class_="bound", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
    return marks


def _band(chart: Chart) -> list[Markup]:
    if chart.band is None:
        return []
    low, high = (_finite(decimate(series)) for series in chart.band)
    x = np.concatenate([_x(chart, high.steps), _x(chart, low.steps)[::-1]])
    y = np.concatenate([_y(chart, high.values), _y(chart, low.values)[::-1]])
    return [element("path", class_="band", d=polyline(x, y) + "Z")] if len(high.steps) else []


def _line(chart: Chart, line: Line) -> Markup:
    series = decimate(line.series)
    x, y = _x(chart, series.steps), _y(chart, np.nan_to_num(series.values, posinf=0, neginf=0))
    y = np.where(np.isfinite(series.values), y, np.nan)
    if line.style == "dots":  # a path of zero-length strokes with round caps: one element
        data = "".join(
            f"{polyline(x[i : i + 1], y[i : i + 1])}h0" for i in range(len(x)) if y[i] == y[i]
        )
        return element("path", class_="dots", d=data)
    data = polyline(x, y)
    if len(x) == 1:
        return element("path", class_=f"{line.style} point", d=data + "h0")
    return element("path", class_=line.style, d=data)


def _non_finite(chart: Chart, subjects: Sequence[Series]) -> list[Markup]:
    """Where values stopped being numbers: a shaded stretch, a cross, and the word."""
    spans = [span for series in subjects for span in non_finite_spans(series)]
    spans = sorted(set(spans), key=lambda span: span[0])[:_MOST_MARKS]
    marks = []
    for first, stop, _ in spans:
        start = float(_x(chart, first))
        end = WIDTH - RIGHT if stop is None else float(_x(chart, stop))
        marks.append(
            element(
                "rect",
                class_="gone",
                x=start,
                y=TOP,
                width=max(end - start, 1.5),
                height=HEIGHT - TOP - BOTTOM,
            )
        )
    if spans:
        first, _, kind = spans[0]
        x, y = float(_x(chart, first)), HEIGHT - BOTTOM
        marks.append(element("path", class_="cross", d=f"M{x - 4:.1f} {y - 4:g}l8 8m0 -8l-8 8"))
        on_left = x > LEFT + 0.55 * (WIDTH - LEFT - RIGHT)
        marks.append(
            element(
                "text",
                f"{kind} from {whole(first)}",
                class_="warn end" if on_left else "warn",
                x=x - 8 if on_left else x + 8,
                y=y - 8,
            )
        )
    return marks


def _alarms(chart: Chart) -> list[Markup]:
    """A triangle at every alarm above the plot, a hairline down from the first."""
    if not chart.alarms:
        return []
    x = np.unique(np.round(_x(chart, np.array(sorted(chart.alarms), dtype=np.float64)), 1))
    shown = x[np.unique(np.linspace(0, len(x) - 1, _MOST_MARKS).astype(int))]
    triangles = "".join(f"M{a - 3.5:.1f} {TOP - 8:g}h7l-3.5 6z" for a in shown.tolist())
    first = float(x[0])
    marks = [
        element("line", class_="alarm", x1=first, x2=first, y1=TOP - 4, y2=HEIGHT - BOTTOM),
        element("path", class_="flag", d=triangles),
    ]
    if chart.is_named:
        text = f"first alarm, {whole(min(chart.alarms))}"
        on_left = first > LEFT + 0.6 * (WIDTH - LEFT - RIGHT)
        kind = "warn end" if on_left else "warn"
        marks.append(
            element("text", text, class_=kind, x=first + (4 if on_left else -4), y=TOP - 12)
        )
    return marks


def _crossing(chart: Chart) -> list[Markup]:
    if chart.crossing is None:
        return []
    step, value = chart.crossing
    x, y = float(_x(chart, step)), float(_y(chart, value))
    on_left = x > LEFT + 0.45 * (WIDTH - LEFT - RIGHT)
    return [
        element("circle", class_="ring", cx=x, cy=y, r=4.0),
        element(
            "text",
            f"past the bound, {whole(step)}",
            class_="warn halo end" if on_left else "warn halo",
            x=x - 9 if on_left else x + 9,
            y=y - 8 if on_left else y + 18,
        ),
    ]


def _end_labels(chart: Chart) -> list[Markup]:
    """Each line's name and last finite value beside its end, moved apart where they overlap."""
    labels = [(float(_y(chart, v)), WIDTH - RIGHT, name, "bound") for v, name in chart.levels]
    for line in chart.lines:
        series = _finite(line.series)
        if line.style == "dots" or not len(series.steps):
            continue
        last = float(series.values[-1])
        value = percent(last) if chart.is_percent else human(last) if chart.is_valued else ""
        end = float(_x(chart, float(series.steps[-1])))
        labels.append((float(_y(chart, last)), end, f"{line.label} {value}".strip(), line.style))
    labels.sort()
    heights = spread([y for y, *_ in labels], _LINE_HEIGHT, TOP, HEIGHT - BOTTOM - 2)
    return [
        element("text", text, class_=f"label of-{style}", x=end + 7, y=y + 4)
        for y, (_, end, text, style) in zip(heights, labels, strict=True)
    ]


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return sorted places moved apart to at least ``gap``, kept below ``high`` where they fit.

    >>> spread([10.0, 12.0, 50.0], 8.0, 0.0, 52.0)
    [10.0, 18.0, 50.0]
    >>> spread([50.0, 51.0], 8.0, 0.0, 52.0)
    [44.0, 52.0]
    """
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + gap if moved else low))
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], moved[i + 1] - gap if i + 1 < len(moved) else high)
    return moved


def _finite(series: Series) -> Series:
    finite = np.isfinite(series.values)
    return Series(series.steps[finite], series.values[finite])
