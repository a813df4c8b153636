"""What a command says: the one way to a terminal, which nothing out of a run can take over."""

import sys

from qdiverge.plain_text import plain_lines


def say(text: object, *, end: str = "\n", is_error: bool = False) -> None:
    r"""Print a text, control characters in it made visible.

    >>> say("run\x1b[2J")
    run␛[2J
    """
    print(plain_lines(str(text)), end=end, file=sys.stderr if is_error else None, flush=True)
