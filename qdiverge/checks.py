"""Checks of numbers and choices that the whole package shares; each returns what it checked."""

import math
import numbers
import operator
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError, MissingExtraError
from qdiverge.thing_checks import check_instance, shown_as_code


def check_number(name: str, value: Any) -> float:
    """Return ``value`` as a float: a number, also of numpy, or the only one of a tensor or array.

    Raises:
        InvalidTypeError: it is no real number.
        InvalidValueError: no float is as large.

    >>> check_number("discount", np.float32(0.5)), check_number("discount", torch.tensor(1))
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


def check_discount(discount: float, name: str = "discount") -> float:
    """Return ``discount`` as a float in [0, 1].

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is NaN or outside [0, 1].
    """
    if not 0.0 <= (number := check_number(name, discount)) <= 1.0:
        raise InvalidValueError(f"{name} must lie in [0, 1]", got=discount, remedy="Usual: 0.99.")
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


def check_share(name: str, value: float) -> float:
    """Return ``value`` as a float in [0, 1].

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is NaN or outside [0, 1].
    """
    if not 0.0 <= (number := check_number(name, value)) <= 1.0:
        raise InvalidValueError(f"{name} must lie in [0, 1]", got=value)
    return number


def check_step_share(name: str, value: float) -> float:
    """Return ``value`` as a float in (0, 1]: the share of the way that a target moves.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is NaN or outside (0, 1].
    """
    if not 0.0 < (number := check_number(name, value)) <= 1.0:
        raise InvalidValueError(f"{name} must lie in (0, 1]", got=value, remedy="Usual: 0.005.")
    return number


def check_inside(name: str, value: float, low: float, high: float) -> float:
    """Return ``value`` as a float strictly between two others.

    Raises:
        InvalidTypeError: it is no number.
        InvalidValueError: it is not between them.
    """
    if not low < (number := check_number(name, value)) < high:
        raise InvalidValueError(f"{name} must lie strictly between {low:g} and {high:g}", got=value)
    return number


def check_integer(name: str, value: int, least: int) -> int:
    """Return ``value`` as an int of at least ``least``; also one of numpy's, or of a tensor.

    Raises:
        InvalidValueError: it is not.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except Exception:  # of somebody's own object, it may be any
        number = None
    if number is None or number < least:
        raise InvalidValueError(f"{name} must be an integer of at least {least}", got=value)
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


def check_optimizer(name: str, optimizer: Any) -> torch.optim.Optimizer:
    """Return an optimiser of PyTorch's with parameters, and learning rates that are numbers.

    Raises:
        InvalidTypeError: it is none.
        InvalidValueError: it trains nothing, or a learning rate is out of range.
    """
    check_instance(
        name, optimizer, torch.optim.Optimizer,
        remedy="Of a wrapper, pass the optimiser inside, such as .optimizer.",
    )  # fmt: skip
    if not optimizer.param_groups:
        raise InvalidValueError(f"{name} must train something", got="no parameter group")
    for group in optimizer.param_groups:
        check_nonnegative(f"the learning rate of {name}", group.get("lr"))
    return optimizer


def check_installed(module: str, need: str, extra: str, remedy: str = "") -> Any:
    """Return a module of an optional dependency.

    Args:
        module: Its name.
        need: What needs what.
        extra: The extra of qdiverge that installs it.
        remedy: What else there is to know or to do.

    Raises:
        MissingExtraError: it is not installed.

    >>> check_installed("math", "counting needs math", "none").floor(1.5)
    1
    """
    try:
        return import_module(module)
    except ImportError as error:
        install = f"Install it: pip install 'qdiverge[{extra}]'. {remedy}".rstrip()
        raise MissingExtraError(f"{need}, which is not installed", remedy=install) from error
