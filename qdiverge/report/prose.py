"""Formulas, sentences and dates as a reader expects to see them."""

import datetime
import re
from collections.abc import Iterable
from html import escape

from qdiverge.report.drawing.svg import Markup

_SUBSCRIPT = re.compile(r"_(?:\{([^}]*)\}|(\w))")
_SUPERSCRIPT = re.compile(r"\^\{([^}]*)\}")


def formula(text: str) -> Markup:
    """Return the text as markup: ``_x`` and ``_{xy}`` are subscripts, ``^{xy}`` superscripts.

    >>> formula("K_{ij} < ρ_j")
    'K<sub>ij</sub> &lt; ρ<sub>j</sub>'
    >>> formula("K^{(ℓ)}")
    'K<sup>(ℓ)</sup>'
    """
    safe = _SUPERSCRIPT.sub(r"<sup>\1</sup>", escape(text, quote=False))
    return Markup(_SUBSCRIPT.sub(lambda match: f"<sub>{match[1] or match[2]}</sub>", safe))


def unbroken(text: str) -> str:
    r"""Return the text with no line break inside "γ = 0", "3 × 10⁸" or "7 %".

    >>> unbroken("7 % at γ = 0").split(" ")
    ['7\xa0%', 'at', 'γ\xa0=\xa00']
    """
    for sign in (" = ", " × ", " %"):
        text = text.replace(sign, sign.replace(" ", "\N{NO-BREAK SPACE}"))
    return text


def commas(items: Iterable[Markup]) -> list[str]:
    """Return the items with commas between them.

    >>> commas([Markup("<b>a</b>"), Markup("<b>c</b>")])
    ['<b>a</b>', ', ', '<b>c</b>']
    """
    return [part for item in items for part in (", ", item)][1:]


def slug(text: str) -> str:
    """Return the text as the name of a place in a page: small letters, digits and hyphens.

    >>> slug("Is it blowing up?"), slug("diverge/q_abs_max")
    ('is-it-blowing-up', 'diverge-q-abs-max')
    """
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


def date(text: str) -> str:
    """Return an ISO time as a person writes it; what is no ISO time stays as it is.

    >>> date("2026-11-20T17:41:11+00:00"), date("yesterday")
    ('20 November 2026, 17:41 UTC', 'yesterday')
    """
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return text
    zone = f" {name}" if (name := time.tzname()) else ""
    return f"{time.day} {time:%B %Y, %H:%M}{zone}"
