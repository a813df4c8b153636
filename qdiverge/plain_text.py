"""Text out of a run, made fit for a terminal and a page: nothing in it moves, colours or hides.

Whoever wrote a run's files chose its name, its messages and its settings. A terminal obeys what
stands in them: ESC [2J clears the screen, a carriage return overwrites the line, U+202E turns it
around. Every door to a person has its text pass through here: errors, warnings, what a command
prints, the page of a terminal, and every element of HTML and SVG.
"""

import re
import warnings
from collections.abc import Sequence

MOST_TOLD = 5  # of a kind: a folder may hold thousands that are damaged
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}  # ESC → ␛
_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_OTHERS = (*range(0x80, 0xA0), *_TURNING, 0x2028, 0x2029, 0xFEFF)  # C1, direction, line ends
_SHOWN = _PICTURES | dict.fromkeys(_OTHERS, 0xFFFD)
_SHOWN |= dict.fromkeys(range(0xD800, 0xE000), 0xFFFD)  # half a surrogate pair, no UTF-8 has it
_CONTROL = re.compile(f"[{re.escape(''.join(map(chr, _SHOWN)))}]")
_IN_LINES = re.compile(_CONTROL.pattern.replace("\\\n", "").replace("\\\t", ""))
_SHOWN_IN_LINES = {code: shown for code, shown in _SHOWN.items() if code not in (0x09, 0x0A)}


def plain(text: str) -> str:
    r"""Return the text with a picture in the place of each control character; its length stays.

    >>> plain("run\x1b[2J\nall is well"), plain("δ = 0.5")
    ('run␛[2J␊all is well', 'δ = 0.5')
    """
    return text.translate(_SHOWN) if _CONTROL.search(text) else text


def plain_lines(text: str) -> str:
    r"""Return the same of a text of several lines, whose line ends and tabs stay.

    >>> plain_lines("one\ntwo\r\x9b2J")
    'one\ntwo␍\ufffd2J'
    """
    return text.translate(_SHOWN_IN_LINES) if _IN_LINES.search(text) else text


def warn(text: str, stacklevel: int = 2) -> None:
    """Warn as qdiverge, of something in which a stranger's text may stand."""
    warnings.warn(f"qdiverge: {plain_lines(text)}", stacklevel=stacklevel + 1)


def few(texts: Sequence[str]) -> list[str]:
    """Return the first texts, and of the others how many there are.

    >>> few(["one"] * 4), few(["one"] * 9)[4:]
    (['one', 'one', 'one', 'one'], ['one', 'And 4 more of this kind.'])
    """
    more = len(texts) - MOST_TOLD
    return [*texts[:MOST_TOLD], *([f"And {more:,} more of this kind."] if more > 0 else [])]
