"""One self-contained page: verdicts on top, panels by question, settings at the end."""

from collections.abc import Sequence
from pathlib import Path

from qdiverge.errors import InvalidValueError, RunFolderError
from qdiverge.report.kernel import HEATMAP_HOW, SPECTRUM_HOW, draw_heatmaps, draw_spectra
from qdiverge.report.panels import QUESTIONS, Panel, draw_panel, step_axes
from qdiverge.report.settings import settings_table
from qdiverge.report.style import CSS
from qdiverge.report.svg import Markup, element
from qdiverge.report.verdict import Verdict, compare, judge, step_unit
from qdiverge.runs import Run, load_run

_MARK = {"healthy": "●", "warned": "▲", "diverged": "✕", "unknown": "○"}
_KERNEL_QUESTION = "The kernel"


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write one self-contained ``report.html`` on the runs, side by side, and return its path.

    Args:
        folders: Run folders, in the order in which they are to appear.
        out: Where to write; a folder takes ``report.html``. By default the folder of a single run,
            or the folder around the first of several.

    Raises:
        InvalidValueError: no folder was given.
        RunFolderError: a folder holds no run that can be read, or the page cannot be written.
    """
    if not folders:
        raise InvalidValueError(
            "at least one run folder was expected", got="none", remedy="qdiverge report runs/x"
        )
    runs = [load_run(folder) for folder in folders]
    first = Path(folders[0])
    target = Path(out) if out is not None else (first if len(runs) == 1 else first.parent)
    if target.is_dir():
        target = target / "report.html"
    aside = target.with_name(target.name + ".tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(render(runs), encoding="utf-8")
        aside.replace(target)
    except OSError as error:
        raise RunFolderError(
            f"a place that can be written was expected at {target}",
            got=error.strerror,
            remedy="Choose another --out.",
        ) from error
    return target


def render(runs: Sequence[Run]) -> str:
    """Return the page as HTML."""
    verdicts = [judge(run) for run in runs]
    axes, is_shared = step_axes(runs)
    sections = []
    for question, panels in QUESTIONS:
        figures = [_figure(p, runs, draw_panel(p, runs, axes)) for p in panels]
        if question == _KERNEL_QUESTION:
            heatmaps = [draw_heatmaps(run) for run in runs]
            figures = [
                _titled("Similarity of states", HEATMAP_HOW, runs, heatmaps),
                _titled("Spectrum", SPECTRUM_HOW, runs, draw_spectra(runs)),
                *figures,
            ]
        body = element("div", *figures, class_="single" if len(runs) == 1 else None)
        sections.append(element("section", element("h2", question), body))
    names = " and ".join(run.name for run in runs) if len(runs) < 4 else f"{len(runs)} runs"
    content = [
        element("h1", names),
        element("p", _about(runs, is_shared), class_="meta"),
        *([element("p", compare(runs, verdicts), class_="lede")] if len(runs) > 1 else []),
        element("div", *(_verdict(verdict) for verdict in verdicts), class_="runs"),
        *sections,
        element("section", element("h2", "Alarms"), *_alarm_lists(runs)),
        element("section", element("h2", "Settings"), settings_table(runs)),
        element("footer", "Written by qdiverge. This page loads nothing and runs no script."),
    ]
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{names} · qdiverge"),
        element("style", Markup(CSS)),
    ]
    columns = f"--columns:{min(len(runs), 3)}"
    page = element(
        "html", element("head", *head), element("body", *content, style=columns), lang="en"
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _about(runs: Sequence[Run], is_shared: bool) -> str:
    started = " and ".join(dict.fromkeys(str(run.info.get("started", "")) for run in runs))
    unit = " or ".join(dict.fromkeys(step_unit(run) for run in runs))
    axes = ""
    if len(runs) > 1:
        axes = (
            " All runs share their axes."
            if is_shared
            else " The runs share their axes of values; each has its own axis of time, as their"
            " lengths or units differ too much."
        )
    return f"Started {started}. Time runs in {unit}.{axes}"


def _verdict(verdict: Verdict) -> Markup:
    return element(
        "div",
        element("p", verdict.name, class_="run"),
        element("h3", f"{_MARK[verdict.health]} {verdict.headline}"),
        element("p", " ".join(verdict.sentences)),
        class_=f"verdict {verdict.health}",
    )


def _figure(panel: Panel, runs: Sequence[Run], cells: Sequence[Markup]) -> Markup:
    return _titled(panel.title, panel.how, runs, cells)


def _titled(title: str, how: str, runs: Sequence[Run], cells: Sequence[Markup]) -> Markup:
    """A figure: caption first, then a cell for each run under the run's name."""
    caption = element("figcaption", element("h3", title), element("p", how, class_="how"))
    if len(runs) == 1:
        return element("figure", caption, *cells)
    named = [
        element("div", element("p", run.name, class_="run"), cell)
        for run, cell in zip(runs, cells, strict=True)
    ]
    return element("figure", caption, element("div", *named, class_="runs"))


def _alarm_lists(runs: Sequence[Run]) -> list[Markup]:
    return [element("div", *(_alarm_list(run, len(runs)) for run in runs), class_="runs")]


def _alarm_list(run: Run, num_runs: int) -> Markup:
    name = [element("p", run.name, class_="run")] if num_runs > 1 else []
    if not run.alarms:
        return element("div", *name, element("p", "None."))
    rows = [
        element(
            "tr",
            element("th", f"{alarm.step:,}"),
            element("td", f"{alarm.rule.replace('_', ' ')}: {alarm.message}"),
        )
        for alarm in sorted(run.alarms, key=lambda alarm: alarm.step)[:12]
    ]
    more = len(run.alarms) - len(rows)
    note = [element("p", f"and {more:,} more, in events.jsonl", class_="note")] if more else []
    return element("div", *name, element("table", element("tbody", *rows)), *note)
