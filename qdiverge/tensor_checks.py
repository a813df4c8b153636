"""Checks of tensors, arrays and optimisers that all share; each returns what it checked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.checks import check_nonnegative, check_rate
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.thing_checks import check_instance, shown_as_code, type_of

DENSE = frozenset(
    (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.bool,
     torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
)  # fmt: skip  # dtypes that every operation knows


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


def check_device(name: str, device: Any) -> torch.device:
    """Return a device, or the one of a name such as "cpu" or "cuda:1".

    Raises:
        InvalidValueError: it is none.
    """
    try:
        return torch.device(device)
    except Exception as error:  # of somebody's own object, it may be any
        raise InvalidValueError(f"{name} must be a device", got=shown_as_code(device)) from error


def check_optimizer(name: str, optimizer: Any) -> torch.optim.Optimizer:
    """Return an optimiser of PyTorch's with parameters, and learning rates that are numbers.

    Of a wrapper, it is the optimiser inside, whose step runs.

    Raises:
        InvalidTypeError: it is none.
        InvalidValueError: it trains nothing, or a learning rate is out of range.
    """
    own = check_instance(
        name, inner_optimizer(optimizer), torch.optim.Optimizer,
        remedy="Of a wrapper, pass the optimiser inside, such as .optimizer.",
    )  # fmt: skip
    if not own.param_groups:
        raise InvalidValueError(f"{name} must train something", got="no parameter group")
    for group in own.param_groups:
        if rate := check_nonnegative(f"the learning rate of {name}", group.get("lr")):
            check_rate(f"the learning rate of {name}", rate)
    return own
