"""Checks of scalars and tensors that the whole package shares; each returns what it checked."""

import math
from collections.abc import Iterable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError, MissingExtraError


def check_discount(discount: float) -> float:
    """Return ``discount`` as a float in [0, 1].

    Raises:
        InvalidValueError: it is NaN or outside [0, 1].
    """
    if not 0.0 <= float(discount) <= 1.0:
        raise InvalidValueError("discount must lie in [0, 1]", got=discount, remedy="Usual: 0.99.")
    return float(discount)


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a finite float above zero.

    Raises:
        InvalidValueError: it is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise InvalidValueError(f"{name} must be a finite number above 0", got=value)
    return float(value)


def check_nonnegative(name: str, value: float) -> float:
    """Return ``value`` as a finite float of at least zero.

    Raises:
        InvalidValueError: it is not.
    """
    if not 0.0 <= value < math.inf:
        raise InvalidValueError(f"{name} must be a finite number of at least 0", got=value)
    return float(value)


def check_share(name: str, value: float) -> float:
    """Return ``value`` as a float in [0, 1].

    Raises:
        InvalidValueError: it is NaN or outside [0, 1].
    """
    if not 0.0 <= value <= 1.0:
        raise InvalidValueError(f"{name} must lie in [0, 1]", got=value)
    return float(value)


def check_step_share(name: str, value: float) -> float:
    """Return ``value`` as a float in (0, 1]: the share of the way that a target moves.

    Raises:
        InvalidValueError: it is NaN or outside (0, 1].
    """
    if not 0.0 < value <= 1.0:
        raise InvalidValueError(f"{name} must lie in (0, 1]", got=value, remedy="Usual: 0.005.")
    return float(value)


def check_integer(name: str, value: int, least: int) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        InvalidValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidValueError(f"{name} must be an integer of at least {least}", got=value)
    return value


def check_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        InvalidValueError: it is not.
    """
    if value not in choices:
        raise InvalidValueError(f"{name} must be one of {', '.join(choices)}", got=repr(value))
    return value


def check_finite(name: str, tensor: Tensor) -> Tensor:
    """Return ``tensor`` when every entry is finite.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: it holds NaN or infinity; the first such place is named.
    """
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        got = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise InvalidTypeError(f"{name} must be a floating-point tensor", got=got)
    finite = torch.isfinite(tensor)
    if not bool(finite.all()):
        where = tuple((~finite).nonzero()[0].tolist())
        raise InvalidValueError(
            f"{name} must be finite",
            got=f"{tensor[where].item()} at {list(where)}, {int((~finite).sum())} such in all",
            remedy="Find the update that made it: it came before this call.",
        )
    return tensor


def check_distribution(name: str, rho: Tensor, size: int) -> Tensor:
    """Return ``rho`` when it is a distribution over ``size`` entries: ρ ≥ 0, Σρ = 1.

    Zeros are allowed: a pair that is never sampled.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: the shape differs from [size], an entry is negative, or the sum is off.
    """
    check_finite(name, rho)
    if rho.shape != (size,):
        raise InvalidValueError(f"{name} must have shape [{size}]", got=list(rho.shape))
    total = float(rho.double().sum())
    if float(rho.min()) < 0 or abs(total - 1.0) > 1e-4:
        raise InvalidValueError(
            f"{name} must be a distribution: entries ≥ 0 that sum to 1",
            got=f"least entry {float(rho.min()):.3g}, sum {total:.6g}",
            remedy=f"Normalise it: {name} / {name}.sum().",
        )
    return rho


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
