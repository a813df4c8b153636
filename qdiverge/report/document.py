"""The head and foot that every page has, and how a page is written."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.prose import slug
from qdiverge.runs.whole import write_whole, writing

_STYLE = Path(__file__).with_name("report.css")
_FOOT = "Written by qdiverge. This page loads nothing and runs no script."
_FOOT_OF_SCRIPT = (
    "Written by qdiverge. This page loads nothing. Its one script shows the values under the"
    " pointer, zooms (drag; double click to go back), smooths, and saves a panel as PNG or, with"
    " the points as they are drawn, as CSV; qdiverge export has all points of long runs. Without"
    " the script the page says the same."
)


def document(
    title: str,
    parts: Sequence[Markup],
    *,
    num_columns: int = 1,
    style: Path | None = None,
    script: Path | None = None,
) -> str:
    """Return a self-contained page as HTML: the heading, the parts in their order, the foot.

    Args:
        title: The heading, and the name of the browser's tab.
        parts: What stands between heading and foot.
        num_columns: How many runs stand side by side.
        style: A style sheet on top of the one that all pages share.
        script: The only script that the page lets run, at its end.
    """
    sheets = [_STYLE] if style is None else [_STYLE, style]
    css = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
    code = "" if script is None else script.read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(css, code)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · qdiverge"),
        element("style", Markup(css)),
    )
    body = element(
        "body",
        element("h1", title),
        *parts,
        element("footer", _FOOT_OF_SCRIPT if code else _FOOT),
        *([element("script", Markup(code))] if code else []),
        style=f"--columns:{num_columns}",
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def policy(css: str, code: str) -> str:
    """Return what a browser may do for the page: this style, this script, pictures within it.

    A name or a message out of a run can bring no other, even where it passed as markup.

    >>> policy("p { margin: 0 }", "").partition("; ")[0]
    "default-src 'none'"
    """
    rules = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "img-src": "data:",
        "script-src": _hashed(code) if code else "'none'",
        "style-src": _hashed(css),
        "style-src-attr": "'unsafe-inline'",  # widths and numbers of columns
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hashed(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest())
    return f"'sha256-{digest.decode('ascii')}'"


def write_page(page: str, target: Path) -> Path:
    """Write a page, whole or not at all, and return its path; missing folders are made.

    Half a surrogate pair, which a run's JSON may hold and no file in UTF-8, becomes "?".

    Raises:
        RunFolderError: it cannot be written there.
    """
    with writing(target, "place", "Choose another place with --out."):
        return write_whole(target, page.encode("utf-8", "replace").decode("utf-8"))


def section(title: str, *parts: Markup) -> Markup:
    """Return a part of the page under a heading of its own, which links find by its name."""
    return element("section", element("h2", title), *parts, id=slug(title))


def headline(mark: str, text: str) -> Markup:
    """Return the verdict in a few words, behind its mark."""
    return element(
        "p",
        element("span", mark, class_="mark"),
        text,
        class_="headline",
        role="heading",
        aria_level=2,
    )
