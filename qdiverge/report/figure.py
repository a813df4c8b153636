"""A panel on the page: its caption, then a cell for each run under the run's name."""

from collections.abc import Sequence

from qdiverge.report.drawing.svg import Markup, element
from qdiverge.report.glossary import LETTERS, link
from qdiverge.report.prose import formula, slug


def figure(
    title: str,
    definition: str,
    how: str,
    names: Sequence[str],
    cells: Sequence[Markup],
    entry: str = LETTERS,
) -> Markup:
    """Return a figure, whose title leads to an ``entry`` of the glossary.

    Args:
        title: The quantity.
        definition: Its formula.
        how: How to read it; "" where that was said.
        names: What stands above each cell; a cell alone needs no name.
        cells: The drawings.
        entry: An anchor.
    """
    caption = element(
        "figcaption",
        element("h3", link(title, entry)),
        element("p", formula(definition), class_="formula"),
        *([element("p", how, class_="how")] if how else []),
    )
    if len(cells) == 1:
        inside = [element("div", cells[0], class_="cell")]
    else:
        named = [
            element("div", run_name(name), cell, class_="cell")
            for name, cell in zip(names, cells, strict=True)
        ]
        inside = [element("div", *named, class_="runs")]
    return element("figure", caption, *inside, id=f"panel-{slug(title)}")


def run_name(name: str) -> Markup:
    """Return the name of a run above what is its own."""
    return element("p", name, class_="run")
