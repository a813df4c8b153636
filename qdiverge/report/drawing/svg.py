"""SVG and HTML elements as strings: pure functions, everything escaped, controls made visible."""

from collections.abc import Iterable
from html import escape

import numpy as np

from qdiverge.plain_text import plain


class Markup(str):
    """Text that is markup already; any other text is escaped when it becomes part of an element."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: object) -> Markup:
    """Return ``<tag …>children</tag>``; ``class_`` gives class, ``font_size`` gives font-size.

    An attribute that is None is left out.

    >>> element("p", "1 < 2", element("b", "so"), class_="how")
    '<p class="how">1 &lt; 2<b>so</b></p>'
    """
    named = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_text(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    inside = join(children)
    if not inside and tag in {"line", "path", "rect", "circle", "image", "meta"}:
        return Markup(f"<{tag}{named}/>")
    return Markup(f"<{tag}{named}>{inside}</{tag}>")


def join(children: Iterable[str]) -> Markup:
    """Return the children in a row, escaping those that are no markup."""
    return Markup(
        "".join(c if isinstance(c, Markup) else escape(plain(c), quote=False) for c in children)
    )


def drawing(title: str, width: float, height: float, *children: str) -> Markup:
    """Return an inline ``<svg>`` that scales with the page and tells a screen reader its title."""
    return element(
        "svg",
        element("title", title),
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=title,
    )


def polyline(x: np.ndarray, y: np.ndarray) -> str:
    """Return path data through the points; a NaN in y lifts the pen.

    >>> polyline(np.array([0.0, 1, 2, 3, 4]), np.array([0.0, 1, np.nan, 3, 4.25]))
    'M0 0L1 1M3 3L4 4.2'
    """
    pieces, pen = [], "M"
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if b != b:  # NaN
            pen = "M"
            continue
        pieces.append(f"{pen}{_short(a)} {_short(b)}")
        pen = "L"
    return "".join(pieces)


def _short(value: float) -> str:
    """Write a number with one decimal, a tenth of a pixel, and no trailing zero."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _text(value: object) -> str:
    return _short(value) if isinstance(value, float) else plain(str(value))
