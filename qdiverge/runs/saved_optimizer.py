"""What of an optimiser may come from a file: its numbers, and tensors that fit its parameters.

Whatever else a file holds would end in an error of torch's at the next step, or in none.
"""

import math
from typing import Any

import torch
from torch import Tensor

MOMENTS = {  # kind → what a parameter that was moved has, beside the count of steps
    torch.optim.Adam: ("exp_avg", "exp_avg_sq"),
    torch.optim.AdamW: ("exp_avg", "exp_avg_sq"),
    torch.optim.RMSprop: ("square_avg",),
}
LAYOUT = frozenset(name for names in MOMENTS.values() for name in names) | {
    "max_exp_avg_sq", "grad_avg", "momentum_buffer",
}  # fmt: skip  # what has a number for each of a parameter's
SHARES = frozenset({"betas", "alpha", "momentum"})  # settings below 1


def setting(name: str, own: object, saved: Any) -> Any:
    """Return a saved setting of a group, to take the place of one's own.

    Args:
        name: Of the setting.
        own: What the optimiser has there.
        saved: What a file has.

    Raises:
        ValueError: it is of another kind, or no optimiser has it.

    >>> setting("lr", 0.5, 0.25), setting("betas", (0.9, 0.999), [0.5, 0.9])
    (0.25, (0.5, 0.9))
    >>> setting("lr", 0.5, None)
    Traceback (most recent call last):
    ValueError: lr = None in the place of 0.5
    """
    if isinstance(own, Tensor):
        own = own.item()
    if isinstance(own, tuple | list):
        if not isinstance(saved, list | tuple) or len(own) != len(saved):
            raise _other(name, own, saved)
        return tuple(setting(name, a, b) for a, b in zip(own, saved, strict=True))
    if own is None or isinstance(own, bool):
        fits = isinstance(saved, bool) or (own is None and saved is None)
    elif isinstance(own, int | float):
        fits = isinstance(saved, int | float) and not isinstance(saved, bool)
        fits = fits and 0 <= saved < (1 if name in SHARES and own < 1 else math.inf)
    else:
        fits = type(own) is type(saved)
    if not fits:
        raise _other(name, own, saved)
    return saved


def check_moment(key: str, tensor: Tensor, parameter: Tensor) -> None:
    """Refuse a tensor that an optimiser cannot keep beside a parameter.

    Args:
        key: What it is there, such as "exp_avg".
        tensor: From a file.
        parameter: Whose it is.

    Raises:
        ValueError: it is of another shape, or not of floating-point numbers.

    >>> check_moment("exp_avg", torch.zeros(3), torch.zeros(2))
    Traceback (most recent call last):
    ValueError: exp_avg of shape [3], torch.float32, beside a parameter of shape [2], torch.float32
    """
    is_count = key == "step"
    shape = torch.Size() if is_count else parameter.shape
    if key in LAYOUT or is_count:
        dtypes = (torch.float32, torch.float64) if is_count else (parameter.dtype, torch.bfloat16)
        fits = tensor.shape == shape and tensor.dtype in dtypes
    else:
        fits = tensor.is_floating_point() and tensor.element_size() > 1
    if not fits:
        raise ValueError(
            f"{key} of shape {list(tensor.shape)}, {tensor.dtype}, beside a parameter of shape "
            f"{list(parameter.shape)}, {parameter.dtype}"
        )


def check_moments(optimizer: torch.optim.Optimizer) -> None:
    """Refuse a state that lacks some of what its kind of optimiser keeps.

    Raises:
        ValueError: it does; an empty one lacks nothing.
    """
    kept = [names for kind, names in MOMENTS.items() if isinstance(optimizer, kind)]
    for group in optimizer.param_groups:
        flags = {"amsgrad": "max_exp_avg_sq", "centered": "grad_avg"}
        more = [name for flag, name in flags.items() if group.get(flag)]
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name in ("step", *kept[0], *more) if kept and state else ():
                if name not in state:
                    raise ValueError(f"no {name} in the state of {type(optimizer).__name__}")


def _other(name: str, own: object, saved: object) -> ValueError:
    return ValueError(f"{name} = {saved!r} in the place of {own!r}"[:200])
