"""The head and foot that every page has, and how a page is written."""

from collections.abc import Sequence
from pathlib import Path

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.runs.whole import write_whole, writing

_STYLE = Path(__file__).with_name("report.css")
_FOOT = "Written by qdiverge. This page loads nothing and runs no script."


def document(
    title: str, parts: Sequence[Markup], *, num_columns: int = 1, style: Path | None = None
) -> str:
    """Return a self-contained page as HTML: the heading, the parts in their order, the foot.

    Args:
        title: The heading, and the name of the browser's tab.
        parts: What stands between heading and foot.
        num_columns: How many runs stand side by side.
        style: A style sheet on top of the one that all pages share.
    """
    sheets = [_STYLE] if style is None else [_STYLE, style]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", f"{title} · qdiverge"),
        element("style", Markup("".join(sheet.read_text(encoding="utf-8") for sheet in sheets))),
    )
    body = element(
        "body",
        element("h1", title),
        *parts,
        element("footer", _FOOT),
        style=f"--columns:{num_columns}",
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def write_page(page: str, target: Path) -> Path:
    """Write a page, whole or not at all, and return its path; missing folders are made.

    Raises:
        RunFolderError: it cannot be written there.
    """
    with writing(target, "place", "Choose another place with --out."):
        return write_whole(target, page)


def section(title: str, *parts: Markup) -> Markup:
    """Return a part of the page under a heading of its own."""
    return element("section", element("h2", title), *parts)


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
