"""One self-contained page: verdicts on top, panels by question, settings at the end."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from qdiverge.errors import InvalidValueError
from qdiverge.report.audit_findings import loop_lists
from qdiverge.report.comparison import compare
from qdiverge.report.contents import contents
from qdiverge.report.document import document, headline, section, write_page
from qdiverge.report.drawing.marks import MOST_SYNCS
from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.facts import step_unit
from qdiverge.report.figure import figure, run_name
from qdiverge.report.glossary import glossary, term
from qdiverge.report.kernel import HEATMAP, SPECTRUM, draw_heatmaps, draw_spectra, saved_kernels
from qdiverge.report.panel import Panel, Question
from qdiverge.report.panels import draw_panel, step_axes
from qdiverge.report.prose import commas, date, unbroken
from qdiverge.report.questions import KERNEL, QUESTIONS
from qdiverge.report.settings import alarm_lists, settings_table
from qdiverge.report.siblings import REPORT, moments_of
from qdiverge.report.together import MARK, panels_of_all, together
from qdiverge.report.verdict import Verdict, verdict_on
from qdiverge.runs import Run, load_run
from qdiverge.runs.alarm import Kind
from qdiverge.runs.reading import LONGEST_NAME
from qdiverge.thing_checks import check_list, check_path

SCRIPT = Path(__file__).with_name("report.js")
_TOGETHER = "All runs together"
_LOOP, _ALARMS, _SETTINGS, _GLOSSARY = "Is the loop right?", "Alarms", "Settings", "Glossary"


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write one self-contained ``report.html`` on the runs, side by side, and return its path.

    Args:
        folders: Run folders, in the order in which they are to appear.
        out: Where to write; a folder takes ``report.html``. By default the first run's folder.

    Raises:
        InvalidValueError: no folder was given.
        RunFolderError: a folder holds no run that can be read, or the page cannot be written.
    """
    if not check_list("folders", folders):
        raise InvalidValueError(
            "a report needs at least one run folder",
            got="none",
            remedy="Name one: qdiverge report runs/x.",
        )
    runs = _distinct([load_run(folder) for folder in folders])
    target = check_path("out", out if out is not None else folders[0])
    if target.is_dir():
        target = target / REPORT
    return write_page(render(runs, target.parent), target)


def render(runs: Sequence[Run], home: Path | None = None) -> str:
    """Return the page as HTML, to lie in the folder ``home``, by default that of the first run."""
    place = runs[0].folder if home is None else home
    verdicts, names = [verdict_on(run) for run in runs], [run.name for run in runs]
    axes, is_shared = step_axes(runs)

    def drawn(panel: Panel) -> Markup:
        cells = draw_panel(panel, runs, axes)
        entry = term(panel.subject[0])
        return figure(panel.title, panel.definition, panel.how, names, cells, entry)

    def answered(question: Question) -> Markup:
        figures = [drawn(panel) for panel in question.panels]
        if question is KERNEL:
            figures = [*_kernels(runs), *figures]
        inside = [element("div", *figures, class_="single")] if is_single else figures
        return section(question.title, *inside)

    def stated(run: Run, verdict: Verdict) -> Markup:
        return _verdict(verdict, not is_single, moments_of(run.folder, place))

    title = _listed(names) if len(runs) < 4 else f"{len(runs)} runs"
    is_single = len(runs) == 1
    parts = [
        element("p", _about(runs, is_shared), class_="meta"),
        *([] if is_single else [element("p", unbroken(compare(runs, verdicts)), class_="lede")]),
        element("div", *map(stated, runs, verdicts), class_="runs"),
        contents(_sections(runs)),
        *([] if is_single else [section(_TOGETHER, *together(runs, verdicts))]),
        section(_LOOP, loop_lists(runs)),
        *(answered(question) for question in QUESTIONS),
        section(_ALARMS, alarm_lists(runs)),
        section(_SETTINGS, settings_table(runs)),
        section(_GLOSSARY, *glossary()),
    ]
    return document(title, parts, num_columns=min(len(runs), 3), script=SCRIPT)


def _sections(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the sections in their order, with the titles of their panels."""
    asked = {question.title: [panel.title for panel in question.panels] for question in QUESTIONS}
    asked[KERNEL.title] = [HEATMAP[0], SPECTRUM[0], *asked[KERNEL.title]]
    of_all = {_TOGETHER: [panel.title for panel in panels_of_all(runs)]} if len(runs) > 1 else {}
    return {**of_all, _LOOP: [], **asked, _ALARMS: [], _SETTINGS: [], _GLOSSARY: []}


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, numbered where two bear the same name, by what is nobody's name."""
    names = [run.name for run in runs]
    taken, distinct = {name for name in names if names.count(name) == 1}, []
    for run in runs:
        if run.name not in taken:
            cut = run.name[: LONGEST_NAME - 9]
            name = next(n for i in count(1) if (n := f"{cut} ({i})") not in taken)
            taken.add(name)
            run = replace(run, info=run.info | {"name": name})
        distinct.append(run)
    return distinct


def _kernels(runs: Sequence[Run]) -> list[Markup]:
    """Return the figures of the saved kernels: as they are, and their eigenvalues."""
    names = [run.name for run in runs]
    kernels = [saved_kernels(run) for run in runs]
    heatmaps = [draw_heatmaps(run, saved) for run, saved in zip(runs, kernels, strict=True)]
    return [
        figure(*HEATMAP, names, heatmaps),
        figure(*SPECTRUM, names, draw_spectra(runs, kernels)),
    ]


def _about(runs: Sequence[Run], is_shared: bool) -> str:
    times = sorted(str(run.info.get("started") or "at an unknown time") for run in runs)
    unit = " or ".join(dict.fromkeys(step_unit(run) for run in runs))
    axes = ""
    if len(runs) > 1:
        axes = (
            " All runs share their axes."
            if is_shared
            else " The runs share their axes of values; each has its own axis of time, as their"
            " lengths or units differ too much."
        )
    return f"Started {date(times[0])}. Time runs in {unit}.{axes}{_ticks(runs)}"


def _ticks(runs: Sequence[Run]) -> str:
    """Say what the marks on the time axes mean; of many syncs only some are drawn."""
    kinds = {alarm.kind for run in runs for alarm in run.alarms}
    shapes: dict[Kind, str] = {
        "divergence": "triangles mark alarms",
        "loop": "diamonds findings on the loop",
        "condition": "discs notes on the network",
    }
    drawn = [shape for kind, shape in shapes.items() if kind in kinds]
    if any(run.syncs for run in runs):
        drawn.append("short ticks on the axis of time synchronisations of the target network")
    if not drawn:
        return ""
    text = f" On the charts {', '.join(drawn)}"
    most = max(len(run.syncs) for run in runs)
    if most > MOST_SYNCS:
        text += f"; of more than {MOST_SYNCS} every k-th is drawn"
    return text + "."


def _verdict(verdict: Verdict, is_named: bool, moments: Sequence[Markup]) -> Markup:
    parts = [(" ".join(verdict.sentences), None), (" ".join(verdict.remarks), "soft")]
    return element(
        "div",
        *([run_name(verdict.name)] if is_named else []),
        headline(MARK[verdict.health], verdict.headline),
        *(element("p", unbroken(text), class_=kind) for text, kind in parts if text),
        *([element("p", "Inspected: ", *commas(moments), class_="note")] if moments else []),
        class_=f"verdict {verdict.health}",
    )


def _listed(names: Sequence[str]) -> str:
    """Write "one", "one and two", or "one, two and three"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
