"""Draw a panel: one chart for each run, on one axis of values."""

from collections.abc import Sequence

import numpy as np

from qdiverge.report.alarm_kinds import steps_of
from qdiverge.report.drawing.axes import Axis, Kind, fit_axis, is_wide
from qdiverge.report.drawing.chart import Band, Chart, Line
from qdiverge.report.drawing.decimate import trailing_mean
from qdiverge.report.drawing.line_chart import line_chart
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.facts import bounds_of, crossing_of, step_unit
from qdiverge.report.fans import Remedy, fans_of, remedies_of
from qdiverge.report.panel import Panel
from qdiverge.report.questions.learning import RETURN_WINDOW
from qdiverge.runs import Run, Series


def step_axes(runs: Sequence[Run]) -> tuple[list[Axis], bool]:
    """Return an axis of steps for each run, and whether it is one for all.

    An axis begins at zero, or at the first measurement where that came late. It is one for all
    unless the units differ or the shortest run would fill less than a fifth of it.
    """
    spans = [_span(run) for run in runs]
    low, high = min(first for first, _ in spans), max(last for _, last in spans)
    is_shared = len({step_unit(run) for run in runs}) == 1 and all(
        last - first >= 0.2 * (high - low) for first, last in spans
    )
    return [_step_axis(low, high) if is_shared else _step_axis(*span) for span in spans], is_shared


def step_axis_of_all(runs: Sequence[Run]) -> Axis:
    """Return one axis of steps that holds all runs."""
    spans = [_span(run) for run in runs]
    return _step_axis(min(first for first, _ in spans), max(last for _, last in spans))


def _span(run: Run) -> tuple[int, int]:
    steps = [series.steps for series in run.series.values() if len(series.steps)]
    alarms = [alarm.step for alarm in run.alarms if alarm.is_alarm]
    steps += [np.array(alarms)] if alarms else []
    return (min(int(s.min()) for s in steps), max(int(s.max()) for s in steps)) if steps else (0, 1)


def _step_axis(first: int, last: int) -> Axis:
    low = 0.0 if first < 0.25 * last else first - 0.04 * (last - first)
    return Axis("linear", low, max(float(last), low + 1))


def draw_panel(panel: Panel, runs: Sequence[Run], steps: Sequence[Axis]) -> list[Markup]:
    """Return the panel's chart for each run, on one axis of values; or what is missing there."""
    levels = [panel.level(run) if panel.level else None for run in runs]
    y = _value_axis(panel, runs, [level[0] for level in levels if level])
    return [
        _cell(panel, run, level, x, y) for run, level, x in zip(runs, levels, steps, strict=True)
    ]


def missing(what: str, remedy: str) -> Markup:
    """Return the box that stands where numbers are missing, with the way to have them."""
    return element("p", element("b", f"Not in this run: {what}."), f" {remedy}", class_="missing")


def _cell(panel: Panel, run: Run, level: tuple[float, str] | None, x: Axis, y: Axis) -> Markup:
    key, label = panel.subject
    subject = run.series.get(key)
    if subject is None or not len(subject.steps):
        return missing(key, panel.remedy)
    lines = [Line(text, run.series[k], "quiet", k) for k, text in panel.beside if k in run.series]
    lines.append(Line(label, subject, name=key))
    if panel.is_averaged:
        finite = np.isfinite(subject.values)
        subject = Series(subject.steps[finite], subject.values[finite])
        mean, of_last = trailing_mean(subject, RETURN_WINDOW), f"mean of the last {RETURN_WINDOW}"
        lines = [Line("", subject, "dots", key), Line(label, mean, name=of_last)]
    if panel.is_bounded and (bounds := bounds_of(run)) is not None:
        steps = np.concatenate([[int(x.low)], bounds.steps, [int(x.high)]])
        values = np.concatenate([bounds.values[:1], bounds.values, bounds.values[-1:]])
        lines.insert(0, Line("bound {}", Series(steps, values), "bound", "bound"))
    bands, remedies = [], list[Remedy]()
    if panel.band is not None and all(k in run.series for k in panel.band):
        bands = [Band(run.series[panel.band[0]], run.series[panel.band[1]])]
        lines += [Line("", run.series[k], "edge", k) for k in panel.band]
    if panel.is_bounded:
        fans = [tuple(_within(series, x) for series in fan) for fan in fans_of(run)]
        bands += [Band(low, high) for low, _, high in fans]
        lines[:0] = [Line("", median, "ahead", "median of the copies") for _, median, _ in fans]
        remedies = remedies_of(run)
        lines[:0] = [
            Line("", _within(remedy.sizes, x), "ahead", f"copies, {remedy.name}")
            for remedy in remedies
        ]
    chart = line_chart(
        Chart(
            title=f"{panel.title}, run {run.name}: {_in_words(subject)}",
            x=x,
            y=y,
            unit=step_unit(run),
            lines=tuple(lines),
            bands=tuple(bands),
            levels=(level,) if level else (),
            alarms=steps_of(run.alarms, "divergence"),
            findings=steps_of(run.alarms, "loop"),
            notes=steps_of(run.alarms, "condition"),
            syncs=tuple(sync.step for sync in run.syncs),
            crossing=crossing_of(run) if panel.is_bounded else None,
            is_percent=panel.kind in ("share", "percent"),
            is_named=panel.is_bounded,
            run=run.name,
        )
    )
    absent = [k for k in panel.logged if k not in run.series]
    notes = [f"Remedies rehearsed: {'; '.join(map(str, remedies))}."] if remedies else []
    note = [element("p", f"Not in this run: {', '.join(absent)}.", class_="note")] if absent else []
    return element("div", chart, *[element("p", text, class_="note") for text in notes], *note)


def _within(series: Series, x: Axis) -> Series:
    """Return the part of a fan that lies on the chart."""
    is_on = (series.steps >= x.low) & (series.steps <= x.high)
    return Series(series.steps[is_on], series.values[is_on])


def _value_axis(panel: Panel, runs: Sequence[Run], levels: list[float]) -> Axis:
    """Return an axis that holds the panel's numbers of all runs, its bound and its levels."""
    logged = [run.series[key].values for run in runs for key in panel.logged if key in run.series]
    if panel.is_bounded:
        logged += [series.values for run in runs for fan in fans_of(run) for series in fan]
        logged += [remedy.sizes.values for run in runs for remedy in remedies_of(run)]
    values = np.concatenate(logged) if logged else np.array([])
    include = list(levels)
    for run in runs:
        if panel.is_bounded and (bounds := bounds_of(run)) is not None:
            include += bounds.values.tolist()
    return axis_for(panel, values, tuple(include))


def axis_for(panel: Panel, values: np.ndarray, include: tuple[float, ...]) -> Axis:
    """Return the panel's axis of values, which holds these and what is to be included."""
    kind: Kind
    if panel.kind == "share":
        return Axis("linear", 0.0, 1.0)
    if panel.kind == "auto":
        kind = "symlog" if is_wide(values) else "linear"
    else:
        kind = "linear" if panel.kind == "percent" else panel.kind
    return fit_axis(kind, values, include)


def _in_words(series: Series) -> str:
    """Say the first, last and extreme values, for a reader who does not see the chart."""
    finite = series.values[np.isfinite(series.values)]
    if not finite.size:
        return "no finite value"
    ends = f"from {finite[0]:.3g} to {finite[-1]:.3g}"
    return f"{ends}, between {finite.min():.3g} and {finite.max():.3g}"
