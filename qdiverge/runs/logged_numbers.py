"""Numbers as a line of a run's log keeps them, under names that mean nothing else there."""

import math
from collections.abc import Mapping
from typing import Any

from qdiverge.checks import check_number
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.thing_checks import type_of

OF_A_LINE = frozenset(("kind", "step", "time", "crc32"))  # what each line has of its own
LARGEST = 1 << 53  # of an integer that is kept as one: a float holds each up to it

Number = float | int | str


def logged_numbers(values: Any) -> tuple[dict[str, Number], list[str]]:
    """Return what a line keeps of values by name, and of what it keeps nothing.

    NaN and infinities become text, which ``float`` reads; so does no number that a float holds
    otherwise. A name that the line itself has gets an underscore; another key its text.

    Raises:
        InvalidTypeError: the values are no mapping.

    >>> logged_numbers({"a": 1, "step": float("nan"), 3: 10**400, "b": "text"})
    ({'a': 1, 'step_': 'nan', '3': 'inf'}, ["'b', a str"])
    """
    if type(values) is not dict and not isinstance(values, Mapping):
        raise InvalidTypeError("what is logged must be a dict of numbers", got=type_of(values))
    kept: dict[str, Number] = {}
    lost = []
    for key, value in values.items():
        is_finite = type(value) is float and value - value == 0.0
        if is_finite and type(key) is str and key.isascii() and key not in OF_A_LINE:
            kept[key] = value  # the usual case, at once
            continue
        try:
            kept[_name(key)] = _number(value)
        except (InvalidTypeError, InvalidValueError):
            lost.append(f"{_name(key)!r}, {type_of(value)}")
    return kept, lost


def _name(key: Any) -> str:
    if type(key) is not str:
        try:
            key = str(key)
        except Exception:  # of somebody's own object, it may be any
            key = type_of(key)
    if not key.isascii():
        key = key.encode("utf-8", "replace").decode("utf-8")
    return f"{key}_" if key in OF_A_LINE else key


def _number(value: Any) -> Number:
    if type(value) is not float:
        if type(value) is int and -LARGEST <= value <= LARGEST:
            return value
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, int) and abs(value) > LARGEST:
            bits = value.bit_length()
            value = float(value) if bits < 1024 else math.copysign(math.inf, value > 0 or -1)
        value = check_number("value", value)
    return value if math.isfinite(value) else str(value)
