"""A line chart: labels at the lines, alarms as ticks above, non-finite ends marked."""

import numpy as np

from qdiverge.report.drawing.axes import Axis
from qdiverge.report.drawing.carried import carried
from qdiverge.report.drawing.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Line
from qdiverge.report.drawing.decimate import decimate
from qdiverge.report.drawing.marks import (
    mark_alarms,
    mark_crossing,
    mark_syncs,
    name_non_finite,
    shade_non_finite,
)
from qdiverge.report.drawing.svg import Markup, drawing, element, polyline
from qdiverge.report.numbers import brief, compact, percent, spread, tick_labels
from qdiverge.runs import Series

_LINE_HEIGHT = 17.0  # of two labels that would overlap


def line_chart(chart: Chart) -> Markup:
    """Draw the chart."""
    return drawing(
        chart.title,
        WIDTH,
        HEIGHT,
        element("g", *_frame(chart), class_="scales"),
        _plot(chart),
        *mark_syncs(chart),
        *mark_alarms(chart),
        *mark_crossing(chart),
        *name_non_finite(chart),
        *_end_labels(chart),
    )


def _plot(chart: Chart) -> Markup:
    """Draw what lies between the axes, and carry what a script needs to draw it anew."""
    return element(
        "g",
        *shade_non_finite(chart),
        *_levels(chart),
        *_bands(chart),
        *(_line(chart, line) for line in chart.lines),
        class_="plot",
        data_area=f"{LEFT:g} {TOP:g} {WIDTH - LEFT - RIGHT:g} {HEIGHT - TOP - BOTTOM:g}",
        data_x=_spelled(chart.x),
        data_y=_spelled(chart.y),
        data_unit="%" if chart.is_percent else None,
        data_steps_of=chart.unit,
        data_run=chart.run,
    )


def _spelled(axis: Axis) -> str:
    """Write an axis for a script: kind, ends, and where symlog is linear."""
    ends = (float(axis.low), float(axis.high), float(axis.linear_below))
    return " ".join([axis.kind, *map(repr, ends)])


def _frame(chart: Chart) -> list[Markup]:
    """Draw hairlines at the y ticks, step ticks below, no box."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    marks = []
    ticks = chart.y.ticks()
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        y = float(chart.y_at(tick))
        text = percent(tick) if chart.is_percent else label
        marks.append(element("line", class_="grid", x1=LEFT, x2=right, y1=y, y2=y))
        marks.append(element("text", text, class_="tick end", x=LEFT - 6, y=y + 4))
    marks.append(element("line", class_="axis", x1=LEFT, x2=right, y1=bottom, y2=bottom))
    for tick in chart.x.ticks():
        x = float(chart.x_at(tick))
        marks.append(element("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        marks.append(element("text", compact(tick), class_="tick mid", x=x, y=bottom + 18))
    unit = chart.unit.rpartition(" ")[2]
    return [*marks, element("text", unit, class_="tick", x=right + 18, y=bottom + 18)]


def _levels(chart: Chart) -> list[Markup]:
    marks = []
    for value, _ in chart.levels:
        y = float(chart.y_at(value))
        marks.append(element("line", class_="bound", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
    return marks


def _bands(chart: Chart) -> list[Markup]:
    marks = []
    for band in chart.bands:
        low, high = (_finite(decimate(series)) for series in (band.low, band.high))
        x = np.concatenate([chart.x_at(high.steps), chart.x_at(low.steps)[::-1]])
        y = np.concatenate([chart.y_at(high.values), chart.y_at(low.values)[::-1]])
        if len(high.steps):
            look = "band" if band.hue is None else f"band hue-{band.hue}"
            marks.append(element("path", class_=look, d=polyline(x, y) + "Z"))
    return marks


def _line(chart: Chart, line: Line) -> Markup:
    series = decimate(line.series)
    numbers = carried(line.name, series) | ({"data_run": line.run} if line.run else {})
    if line.style == "edge":
        return element("path", class_=line.look, **numbers)
    x, y = chart.x_at(series.steps), chart.y_at(np.nan_to_num(series.values, posinf=0, neginf=0))
    y = np.where(np.isfinite(series.values), y, np.nan)
    if line.style == "dots":  # a path of zero-length strokes with round caps: one element
        data = "".join(
            f"{polyline(x[i : i + 1], y[i : i + 1])}h0" for i in range(len(x)) if y[i] == y[i]
        )
        return element("path", class_=line.look, d=data, **numbers)
    data = polyline(x, y)
    if len(x) == 1:
        return element("path", class_=f"{line.look} point", d=data + "h0", **numbers)
    return element("path", class_=line.look, d=data, **numbers)


def _end_labels(chart: Chart) -> list[Markup]:
    """Write each line's name and last finite value beside its end, moved apart to be read."""
    labels = [(float(chart.y_at(v)), WIDTH - RIGHT, name, "bound") for v, name in chart.levels]
    for line in chart.lines:
        series = _finite(line.series)
        if not (line.label and line.style in ("main", "quiet", "bound")) or not len(series.steps):
            continue
        last = float(series.values[-1])
        value = percent(last) if chart.is_percent else brief(last)
        end = float(chart.x_at(float(series.steps[-1])))
        labels.append((float(chart.y_at(last)), end, line.label.format(value), line.look))
    labels.sort()
    heights = spread([y for y, *_ in labels], _LINE_HEIGHT, TOP, HEIGHT - BOTTOM - 2)
    return [
        element("text", text, class_=f"label of-{style}", x=end + 7, y=y + 4)
        for y, (_, end, text, style) in zip(heights, labels, strict=True)
    ]


def _finite(series: Series) -> Series:
    finite = np.isfinite(series.values)
    return Series(series.steps[finite], series.values[finite])
