"""Links between the pages of a run: its report, and the moments of it that were inspected."""

import os
from pathlib import Path
from urllib.parse import quote

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.numbers import whole
from qdiverge.runs import is_run
from qdiverge.runs.boundary import Place

REPORT = "report.html"


def moments_of(folder: Path, home: Path) -> list[Markup]:
    """Return links to a run's inspected moments, the pages ``moment-….html`` of its folder.

    Args:
        folder: Of the run.
        home: Of the page that links them.
    """
    names = Place.of(folder).names("moment-", ".html")
    pages = [folder / name for name in sorted(names, key=lambda name: (len(name), name))]
    return [element("a", _named(page.stem), href=address(page, home)) for page in pages]


def report_beside(page: Path) -> Markup | None:
    """Return a link to the report of the run in whose folder ``page`` lies, if there is one."""
    report = page.parent / REPORT
    if not (is_run(page.parent) and Place.of(page.parent).has(REPORT)):
        return None
    return element("a", "The report of the run", href=address(report, page.parent))


def address(target: Path, home: Path) -> str:
    """Return the way from a folder to a file as a link; no name in it is taken for a scheme.

    >>> address(Path("runs/javascript:x/moment-5.html"), Path("runs"))
    'javascript%3Ax/moment-5.html'
    """
    return quote(os.fsencode(Path(os.path.relpath(target, home)).as_posix()))


def _named(stem: str) -> str:
    """Write "step 3,000" or "before update 350" for the name of a page."""
    kind, _, number = stem.removeprefix("moment-").rpartition("-")
    if not number.isdecimal():
        return stem
    return f"before update {whole(int(number))}" if kind else f"step {whole(int(number))}"
