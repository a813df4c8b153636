"""Events on a chart: alarms, the crossing of the bound, and where values stopped being numbers."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from qdiverge.report.drawing.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.numbers import human, whole
from qdiverge.runs import Series

_MOST_MARKS: Final = 60
MOST_SYNCS: Final = 80


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


def shade_non_finite(chart: Chart) -> list[Markup]:
    """Shade the stretches where a subject was no finite number."""
    marks = []
    for first, stop, _ in _all_spans(chart):
        start = float(chart.x_at(first))
        end = WIDTH - RIGHT if stop is None else float(chart.x_at(stop))
        width = max(end - start, 1.5)
        height = HEIGHT - TOP - BOTTOM
        marks.append(element("rect", class_="gone", x=start, y=TOP, width=width, height=height))
    return marks


def name_non_finite(chart: Chart) -> list[Markup]:
    """Draw a cross on the time axis where the first such stretch begins, and name the value."""
    spans = _all_spans(chart)
    if not spans:
        return []
    first, _, kind = spans[0]
    x, y = float(chart.x_at(first)), HEIGHT - BOTTOM
    side, style = _side(x, 0.55, "warn halo")
    return [
        element("path", class_="cross", d=f"M{x - 4:.1f} {y - 4:g}l8 8m0 -8l-8 8"),
        element("text", f"{kind} from {whole(first)}", class_=style, x=x + 8 * side, y=y - 8),
    ]


def _side(x: float, share: float, style: str) -> tuple[int, str]:
    """Return where a text at ``x`` goes, −1 left and 1 right of it, and its class.

    It goes left beyond that ``share`` of the plot's width.
    """
    on_left = x > LEFT + share * (WIDTH - LEFT - RIGHT)
    return (-1, f"{style} end") if on_left else (1, style)


def _all_spans(chart: Chart) -> list[tuple[int, int | None, str]]:
    subjects = [line.series for line in chart.lines if line.style in ("main", "dots")]
    spans = {span for series in subjects for span in non_finite_spans(series)}
    return sorted(spans, key=lambda span: span[0])[:_MOST_MARKS]


def mark_syncs(chart: Chart) -> list[Markup]:
    """Draw a tick up from the time axis at every synchronisation of the target network."""
    if not chart.syncs:
        return []
    x = np.unique(np.round(chart.x_at(np.array(thinned(chart.syncs), dtype=np.float64)), 1))
    ticks = "".join(f"M{a:g} {HEIGHT - BOTTOM:g}v-6" for a in x.tolist())
    return [element("path", class_="sync", d=ticks)]


def thinned(steps: Sequence[int]) -> list[int]:
    """Return every k-th step, with the least k that leaves no more than can be told apart.

    >>> thinned(range(0, 1000, 2))[:3]
    [0, 14, 28]
    """
    return list(steps[:: -(-len(steps) // MOST_SYNCS) or 1])


def mark_alarms(chart: Chart) -> list[Markup]:
    """Draw a triangle at every alarm above the plot, a hairline down from the first.

    A finding on the loop is a diamond, a note a disc.
    """
    marks = _flags(
        chart,
        chart.notes,
        "flag of-condition",
        "m-3.2 -4a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0z",
    )
    marks += _flags(chart, chart.findings, "flag of-loop", "l4 -4l-4 -4l-4 4z")
    if not chart.alarms:
        return marks
    first = float(chart.x_at(float(min(chart.alarms))))
    line = f"M{first:.1f} {TOP - 4:g}V{HEIGHT - BOTTOM:g}"
    marks.append(element("path", class_="alarm", d=line))
    marks += _flags(chart, chart.alarms, "flag", "l-3.5 -6h7z")
    if chart.is_named:
        text = f"first alarm, {whole(min(chart.alarms))}"
        side, style = _side(first, 0.6, "warn")
        marks.append(element("text", text, class_=style, x=first - 4 * side, y=TOP - 12))
    return marks


def _flags(chart: Chart, steps: Sequence[int], kind: str, shape: str) -> list[Markup]:
    """Draw a shape above the plot at each step; of more than can be told apart only some."""
    if not steps:
        return []
    x = np.unique(np.round(chart.x_at(np.array(sorted(steps), dtype=np.float64)), 1))
    shown = x[np.unique(np.linspace(0, len(x) - 1, _MOST_MARKS).astype(int))]
    return [
        element(
            "path", class_=kind, d="".join(f"M{a:.1f} {TOP - 2:g}{shape}" for a in shown.tolist())
        )
    ]


def mark_crossing(chart: Chart) -> list[Markup]:
    """Draw a ring where the subject first passed its bound."""
    if chart.crossing is None:
        return []
    step, value = chart.crossing
    x, y = float(chart.x_at(step)), float(chart.y_at(value))
    side, style = _side(x, 0.45, "warn halo")
    text, below = f"past the bound, {whole(step)}", -8 if side < 0 else 18
    return [
        element("circle", class_="ring", cx=x, cy=y, r=4.0),
        element("text", text, class_=style, x=x + 9 * side, y=y + below),
    ]
