"""The one reader of a run's JSON: strict, bounded, and checked against what it is to hold.

What Python's own reader lets pass is refused here: NaN and Infinity, numbers that no float holds,
the same key twice, text that is no UTF-8, and nesting that would exhaust the stack of whoever
walks through it. What is then read is converted by msgspec to a type, so that a wrong type or a
missing field is an error that says where it is.
"""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from qdiverge.errors import QDivergeError, RunFolderError

DEEPEST = 64  # lists and objects inside each other
LARGEST_INT = 1 << 256  # a float holds it, and so it holds the states of generators

T = TypeVar("T")


def read_json(
    content: bytes | str,
    kind: type[T],
    path: Path,
    error: type[RunFolderError] = RunFolderError,
    *,
    has_infinity: bool = False,
) -> T:
    """Return what JSON holds, as a value of ``kind``.

    Args:
        content: All of it.
        kind: What it must be: a ``msgspec.Struct``, a TypedDict, ``dict[str, Any]``.
        path: Of its file, for the message.
        error: What to raise.
        has_infinity: Whether NaN and Infinity, which JSON has not, may stand in it.

    Raises:
        RunFolderError: it is no such JSON; the message names the file, and what is wrong in it.

    >>> read_json(b'{"step": 5}', dict[str, int], Path("x.json"))
    {'step': 5}
    >>> read_json(b'{"step": 5, "step": 6}', dict[str, int], Path("x.json"))
    Traceback (most recent call last):
    qdiverge.errors.RunFolderError: x.json must be as a run writes it; got the key 'step' twice.
    """
    try:
        value = strict_loads(content, has_infinity=has_infinity)
        return msgspec.convert(value, kind)
    except (ValueError, RecursionError, msgspec.ValidationError) as reason:
        text = "too deep a nesting" if isinstance(reason, RecursionError) else str(reason)
        raise error(f"{path} must be as a run writes it", got=text) from reason


def strict_loads(content: bytes | str, *, has_infinity: bool = False) -> Any:
    """Return what JSON holds; see :func:`read_json`.

    Raises:
        ValueError: it is no JSON in UTF-8, or holds what no run writes.
        RecursionError: it is nested too deeply.
    """
    text = content.decode("utf-8") if isinstance(content, bytes) else content
    value = json.loads(
        text,
        parse_constant=float if has_infinity else _no_constant,
        parse_float=_finite,
        parse_int=_bounded,
        object_pairs_hook=_unique,
    )
    check_depth(value)
    return value


def check_depth(value: object) -> None:
    """Raise a RecursionError where lists and objects lie too deep inside each other.

    >>> check_depth([[1], {"a": [2]}])
    """
    layer = [value]
    for _ in range(DEEPEST):
        inner = [one for each in layer for one in _inside(each)]
        if not (layer := inner):
            return
    raise RecursionError("too deep a nesting")


@contextmanager
def of_saved(path: Path, error: type[RunFolderError]) -> Iterator[None]:
    """Turn whatever a saved value raises where it is put to use into an error that names its file.

    A checkpoint may be intact and of the right types, and yet fit nothing: shapes, names, numbers.

    Raises:
        RunFolderError: of the kind ``error``.
    """
    try:
        yield
    except (QDivergeError, OSError):
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as reason:
        raise _of_no_use(path, error, reason) from reason
    except (RuntimeError, MemoryError, AssertionError) as reason:
        raise _of_no_use(path, error, reason) from reason


def _of_no_use(path: Path, error: type[RunFolderError], reason: BaseException) -> RunFolderError:
    text = " ".join(str(reason).split())[:300]
    return error(
        f"{path} must hold what a run of this version saves",
        got=f"{type(reason).__name__}: {text}",
        remedy="It is damaged, or of another make.",
    )


def _inside(value: object) -> Iterable[object]:
    """Return what lies in a list or an object, and can hold more itself; in anything else nothing.

    What holds nothing more is left out, so that a long list of numbers costs one look at each.
    """
    each = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (one for one in each if isinstance(one, dict | list))


def _no_constant(name: str) -> float:
    raise ValueError(f"{name}, which JSON has not")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"the number {text[:40]}, which no float holds")
    return value


def _bounded(text: str) -> int:
    if len(text) > 80 or abs(value := int(text)) >= LARGEST_INT:
        raise ValueError(f"an integer of {len(text)} digits")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} twice")
    return entry
