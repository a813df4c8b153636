"""The table of contents: the sections of a page, and the panels in each."""

from collections.abc import Mapping, Sequence

from qdiverge.report.drawing.svg import Markup, element, join
from qdiverge.report.glossary import link
from qdiverge.report.prose import slug


def contents(sections: Mapping[str, Sequence[str]]) -> Markup:
    """Return links to the sections of a page, each before links to its panels.

    Args:
        sections: Title → titles of the panels in it.
    """
    rows = [_row(title, panels) for title, panels in sections.items()]
    return element("nav", element("ul", *rows), aria_label="Contents")


def _row(title: str, panels: Sequence[str]) -> Markup:
    links = [element("li", link(panel, f"panel-{slug(panel)}")) for panel in panels]
    inside = [element("ul", *links)] if links else []
    return element("li", join([link(title, slug(title)), *inside]))
