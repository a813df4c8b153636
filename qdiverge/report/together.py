"""All runs in one chart, and the mean over seeds with the band that they span."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qdiverge.report.drawing.chart import Band, Chart, Line, Style
from qdiverge.report.drawing.decimate import trailing_mean
from qdiverge.report.drawing.line_chart import line_chart
from qdiverge.report.drawing.svg import Markup, drawing, element
from qdiverge.report.facts import bounds_of, step_unit
from qdiverge.report.figure import figure
from qdiverge.report.glossary import term
from qdiverge.report.panel import Panel
from qdiverge.report.panels import axis_for, step_axis_of_all
from qdiverge.report.questions import QUESTIONS
from qdiverge.report.questions.learning import RETURN_WINDOW
from qdiverge.report.seeds import Group, groups_of, over_seeds, seeds_table
from qdiverge.report.verdict import Verdict
from qdiverge.runs import Run, Series

NUM_HUES = 6  # lines beyond take the first ones again
MOST_LABELS = 8  # at the ends of lines
MARK = {"healthy": "●", "loop": "◆", "warned": "▲", "diverged": "✕", "unknown": "○"}
SUBJECTS = (
    "diverge/q_abs_max",
    "diverge/td_error_abs_mean",
    "losses/td_loss",
    "diverge/spectral_radius",
    "diverge/effective_rank",
    "charts/episodic_return",
)
_HOW_SEEDS = (
    "Thick is the mean over seeds, while all of them last, with a band from the least to the"
    " largest of them; thin are the seeds themselves."
)


def together(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> list[Markup]:
    """Return the legend, what the seeds say in numbers, and a chart of all runs for each subject.

    Args:
        runs: Two or more.
        verdicts: On each.
    """
    groups = groups_of(runs)
    has_seeds = any(group.is_of_seeds for group in groups)
    parts = [_legend(groups, verdicts)]
    if has_seeds:
        parts += [element("p", _HOW_SEEDS, class_="how"), seeds_table(runs, verdicts, groups)]
    if len({step_unit(run) for run in runs}) > 1:
        why = "Their steps count different things, so that no chart holds them all."
        return [*parts, element("p", why, class_="soft")]
    figures = [_figure(panel, runs, groups) for panel in panels_of_all(runs)]
    return [*parts, element("div", *figures, class_="single")]


def panels_of_all(runs: Sequence[Run]) -> list[Panel]:
    """Return the panels in which all runs are drawn together: where two or more have numbers."""
    if len({step_unit(run) for run in runs}) > 1:
        return []
    panels = {panel.subject[0]: panel for question in QUESTIONS for panel in question.panels}
    return [
        replace(panels[key], title=f"{panels[key].title}, all runs", beside=(), band=None)
        for key in SUBJECTS
        if sum(_has(run, key) for run in runs) > 1
    ]


def _has(run: Run, key: str) -> bool:
    return key in run.series and len(run.series[key].steps) > 0


def _figure(panel: Panel, runs: Sequence[Run], groups: Sequence[Group]) -> Markup:
    chart = line_chart(_chart(panel, runs, groups))
    key = panel.subject[0]
    how = f"The mean over the last {RETURN_WINDOW}." if panel.is_averaged else ""
    return figure(panel.title, panel.definition, how, [""], [element("div", chart)], term(key))


def _chart(panel: Panel, runs: Sequence[Run], groups: Sequence[Group]) -> Chart:
    levels = {level for run in runs if panel.level and (level := panel.level(run))}
    if panel.is_bounded:
        bounds = [series for run in runs if (series := bounds_of(run)) is not None]
        levels = {(float(series.values[-1]), "bound") for series in bounds}
    lines, bands = [], []
    for hue, group in enumerate(groups):
        drawn = _lines(panel, runs, group, hue % NUM_HUES)
        lines += drawn[0]
        bands += drawn[1]
    values = np.concatenate([line.series.values for line in lines])
    label = "{}" if sum(line.style == "main" for line in lines) <= MOST_LABELS else ""
    lines = [replace(line, label=label if line.style == "main" else "") for line in lines]
    return Chart(
        title=f"{panel.title}: {len(runs)} runs in {len(groups)} groups",
        x=step_axis_of_all(runs),
        y=axis_for(panel, values, tuple(value for value, _ in levels)),
        unit=step_unit(runs[0]),
        lines=tuple(sorted(lines, key=lambda line: line.style == "main")),
        bands=tuple(bands),
        levels=tuple(levels) if len(levels) == 1 else (),
        is_percent=panel.kind in ("share", "percent"),
    )


def _lines(
    panel: Panel, runs: Sequence[Run], group: Group, hue: int
) -> tuple[list[Line], list[Band]]:
    """Return the lines of a group in its colour, and the band of its seeds."""
    key = panel.subject[0]
    own = [runs[place] for place in group.places if _has(runs[place], key)]
    series = [_smooth(run.series[key]) if panel.is_averaged else run.series[key] for run in own]
    style: Style = "quiet" if len(own) > 1 else "main"
    lines = [Line("", s, style, key, hue, run.name) for run, s in zip(own, series, strict=True)]
    if len(own) < 2 or max(s.steps[0] for s in series) > min(s.steps[-1] for s in series):
        return lines, []
    mean, least, largest = over_seeds(series, is_log=panel.kind == "log")
    of_all = f"{group.name}, {len(own)} seeds"
    lines += [Line("", s, "edge", key, hue, f"{of_all}, {name}")
              for name, s in (("least", least), ("largest", largest))]  # fmt: skip
    lines.append(Line("", mean, "main", key, hue, f"{of_all}, mean"))
    return lines, [Band(least, largest, hue)]


def _smooth(series: Series) -> Series:
    """Return the mean over the last episodes, as the panel of a single run draws it."""
    finite = np.isfinite(series.values)
    return trailing_mean(Series(series.steps[finite], series.values[finite]), RETURN_WINDOW)


def _legend(groups: Sequence[Group], verdicts: Sequence[Verdict]) -> Markup:
    """Return the colour and dash of each group, with its runs and the mark of their verdicts."""
    items = []
    for hue, group in enumerate(groups):
        line = element("path", class_=f"main hue-{hue % NUM_HUES}", d="M1 5H43")
        runs = [f"{MARK[verdicts[p].health]} {verdicts[p].name}" for p in group.places]
        name = [element("b", group.name), ": "] if group.is_of_seeds else []
        items.append(element("li", drawing(group.name, 44, 10, line), *name, ", ".join(runs)))
    return element("ul", *items, class_="legend")
