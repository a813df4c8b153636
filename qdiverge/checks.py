"""Checks of scalars and tensors that the whole package shares; each returns what it checked."""

import math
import numbers
import operator
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError, MissingExtraError
from qdiverge.thing_checks import check_instance, shown_as_code, type_of

DENSE = frozenset(
    (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool,
     torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
)  # fmt: skip  # dtypes that every operation knows


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


def check_tensor(name: str, value: Any) -> Tensor:
    """Return ``value`` when it is a dense tensor of real numbers that can be read.

    Raises:
        InvalidTypeError: it is none: sparse, complex, quantised, on the device "meta", …
    """
    if not isinstance(value, Tensor):
        raise InvalidTypeError(
            f"{name} must be a tensor", got=type_of(value), remedy="torch.as_tensor makes one."
        )
    if value.dtype not in DENSE or value.layout is not torch.strided or value.is_nested:
        kind = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
        got = f"{value.dtype}, {kind}"
        raise InvalidTypeError(f"{name} must be a dense tensor of real numbers", got=got)
    if value.is_meta:
        raise InvalidTypeError(f"{name} must be a tensor with numbers in it", got="device meta")
    return value


def as_tensor(name: str, value: Any) -> Tensor:
    """Return a tensor, an array or lists of numbers as a tensor that can be read.

    Raises:
        InvalidTypeError: it is none and cannot become one.
    """
    try:
        tensor = torch.as_tensor(value)
    except Exception as error:  # of somebody's own object, it may be any
        kind = type_of(value)
        if isinstance(value, Mapping):
            kind += f" of {', '.join(map(str, value))}"
        raise InvalidTypeError(
            f"{name} must be one tensor or array",
            got=kind,
            remedy="Of several parts pass one array that the network takes; join rows by torch.cat "
            "or torch.stack.",
        ) from error
    return check_tensor(name, tensor)


def check_finite(name: str, tensor: Tensor) -> Tensor:
    """Return ``tensor`` when every entry is finite.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: it holds NaN or infinity; the first such place is named.
    """
    if not check_tensor(name, tensor).is_floating_point():
        raise InvalidTypeError(f"{name} must be a floating-point tensor", got=tensor.dtype)
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        where = tuple((~finite).nonzero()[0].tolist())
        raise InvalidValueError(
            f"{name} must be finite",
            got=f"{tensor[where].item()} at {list(where)}, {int((~finite).sum())} such in all",
            remedy="Find the update that made it: it came before this call.",
        )
    return tensor


def check_numbers(name: str, value: Any) -> np.ndarray:
    """Return ``value`` as a new float64 array, NaN and infinities among it.

    Raises:
        InvalidTypeError: it is not made of numbers.
    """
    try:
        array = np.array(value)
        kind = array.dtype.kind
        array = array.astype(np.float64) if kind in "biuf" else array
    except Exception as error:  # of somebody's own object, it may be any
        raise InvalidTypeError(
            f"{name} must be an array of numbers",
            got=f"{type_of(value)}, of which numpy makes none: {type(error).__name__}",
        ) from error
    if kind not in "biuf":
        got = f"{type_of(value)}, of the dtype {array.dtype}"
        raise InvalidTypeError(f"{name} must be an array of numbers", got=got)
    return array


def check_array(name: str, value: Any) -> np.ndarray:
    """Return ``value`` as a new float64 array with finite entries.

    Raises:
        InvalidTypeError: it is not made of numbers.
        InvalidValueError: it holds NaN or infinity.

    >>> check_array("rewards", [1, 2])
    array([1., 2.])
    """
    array = check_numbers(name, value)
    if not np.isfinite(array).all():
        where = [int(i) for i in np.argwhere(~np.isfinite(array))[0]]
        raise InvalidValueError(f"{name} must be finite", got=f"{array[tuple(where)]} at {where}")
    return array


def check_distribution(name: str, rho: Tensor, size: int) -> Tensor:
    """Return ``rho`` when it is a distribution over ``size`` entries: ρ ≥ 0, Σρ = 1.

    Zeros are allowed: a pair that is never sampled.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: the shape differs from [size], an entry is negative, or the sum is off.
    """
    check_finite(name, rho)
    if rho.shape != (size,) or size == 0:
        raise InvalidValueError(f"{name} must have shape [{size}]", got=list(rho.shape))
    total = float(rho.double().sum())
    if float(rho.min()) < 0 or abs(total - 1.0) > 1e-4:
        raise InvalidValueError(
            f"{name} must be a distribution: entries ≥ 0 that sum to 1",
            got=f"least entry {float(rho.min()):.3g}, sum {total:.6g}",
            remedy=f"Normalise it: {name} / {name}.sum().",
        )
    return rho


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
