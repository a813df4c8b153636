"""Checks of numbers and choices that the whole package shares; each returns what it checked."""

import math
import numbers
import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.thing_checks import shown_as_code

LARGEST_INTEGER = 2**63 - 1  # that arrays and tensors hold
LARGEST_SEED = 2**32 - 1  # that numpy's global generator takes
LARGEST_RATE = float(np.finfo(np.float32).max)


def check_number(name: str, value: Any) -> float:
    """Return ``value`` as a float: a number, also of numpy, or the only one of a tensor or array.

    Raises:
        InvalidTypeError: it is no real number.
        InvalidValueError: no float is as large.

    >>> check_number("discount", np.float32(0.5)), check_number("discount", np.array([1]))
    (0.5, 1.0)
    """
    if type(value) is float:
        return value
    only = value
    if isinstance(value, Tensor | np.ndarray):
        is_one = (value.numel() if isinstance(value, Tensor) else value.size) == 1
        only = value.item() if is_one and not getattr(value, "is_meta", False) else None
    if isinstance(only, bool) or not isinstance(only, numbers.Real):
        got = f"{shown_as_code(value)}, of the type {type(value).__name__}"
        raise InvalidTypeError(f"{name} must be a number", got=got)
    try:
        return float(only)
    except OverflowError as error:
        raise InvalidValueError(f"{name} must be a number that a float holds", got=value) from error


def check_finite_number(name: str, value: Any) -> float:
    """Return ``value`` as a finite float.

    Raises:
        InvalidValueError, InvalidTypeError: it is none.
    """
    number = check_number(name, value)
    if not math.isfinite(number):
        raise InvalidValueError(f"{name} must be a finite number", got=number)
    return number


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a finite float above zero.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is not.
    """
    if not 0.0 < (number := check_number(name, value)) < math.inf:
        raise InvalidValueError(f"{name} must be a finite number above 0", got=value)
    return number


def check_nonnegative(name: str, value: float) -> float:
    """Return ``value`` as a finite float of at least zero.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is not.
    """
    if not 0.0 <= (number := check_number(name, value)) < math.inf:
        raise InvalidValueError(f"{name} must be a finite number of at least 0", got=value)
    return number


def check_rate(name: str, value: float) -> float:
    """Return a learning rate as a float above zero that float32 holds, as steps need it.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is not.
    """
    if (number := check_positive(name, value)) > LARGEST_RATE:
        raise InvalidValueError(f"{name} must be a number that float32 holds", got=value)
    return number


def check_between(
    name: str, value: float, low: float, high: float, ends: str = "[]", remedy: str = ""
) -> float:
    """Return ``value`` as a float of an interval.

    Args:
        name: The argument.
        value: What came.
        low: Where the interval begins.
        high: Where it ends.
        ends: Its brackets; a round one leaves its end out.
        remedy: What to do.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is NaN or outside.

    >>> check_between("momentum", 1.0, 0, 1, "[)")
    Traceback (most recent call last):
    qdiverge.errors.InvalidValueError: momentum must lie in [0, 1); got 1.0.
    """
    number = check_number(name, value)
    is_inside = low <= number <= high
    if not is_inside or (ends[0] == "(" and number == low) or (ends[1] == ")" and number == high):
        said = f"{name} must lie in {ends[0]}{low:g}, {high:g}{ends[1]}"
        raise InvalidValueError(said, got=value, remedy=remedy)
    return number


def check_discount(discount: float) -> float:
    """Return ``discount`` as a float in [0, 1], or raise as :func:`check_between`."""
    return check_between("discount", discount, 0, 1, remedy="Usual: 0.99.")


def check_share(name: str, value: float) -> float:
    """Return ``value`` as a float in [0, 1], or raise as :func:`check_between`."""
    return check_between(name, value, 0, 1)


def check_step_share(name: str, value: float) -> float:
    """Return the share of the way that a target moves, in (0, 1], or raise so."""
    return check_between(name, value, 0, 1, "(]", "Usual: 0.005.")


def check_integer(name: str, value: int, least: int, most: int = LARGEST_INTEGER) -> int:
    """Return ``value`` as an int of at least ``least``; also one of numpy's, or of a tensor.

    Raises:
        InvalidValueError: it is not, or above ``most``.
    """
    if type(value) is int and least <= value <= most:  # the usual case, at once
        return value
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except Exception:  # of somebody's own object, it may be any
        number = None
    if number is None or number < least:
        raise InvalidValueError(f"{name} must be an integer of at least {least}", got=value)
    if number > most:
        raise InvalidValueError(f"{name} must be an integer of at most {most}", got=value)
    return number


def check_switch(name: str, value: Any) -> bool:
    """Return ``value`` where it is True or False.

    Raises:
        InvalidValueError: it is something else.
    """
    if not isinstance(value, bool):
        raise InvalidValueError(f"{name} must be True or False", got=shown_as_code(value))
    return value


def check_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        InvalidValueError: it is not.
    """
    if not isinstance(value, str) or value not in choices:
        raise InvalidValueError(
            f"{name} must be one of {', '.join(choices)}", got=shown_as_code(value)
        )
    return value
