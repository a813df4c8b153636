"""On which device a run computes."""

import re

import torch

from qdiverge.errors import InvalidValueError
from qdiverge.thing_checks import check_text


def check_device_name(name: str) -> str:
    """Return ``name`` if a device can be called so; whether there is one is for find_device.

    Raises:
        InvalidValueError: it is none of cpu, cuda, cuda:0, cuda:1, …
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", check_text("device", name)):
        raise InvalidValueError("device must be cpu, cuda or cuda:N", got=repr(name))
    return name


def find_device(name: str) -> torch.device:
    """Return the device called ``name``, with its number.

    Raises:
        InvalidValueError: this machine, or this build of PyTorch, does not have it.

    >>> find_device("cpu")
    device(type='cpu')
    """
    device = torch.device(check_device_name(name))
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        why = "this PyTorch is built without CUDA" if torch.version.cuda is None else "no GPU found"
        raise InvalidValueError(
            "device must be one that this machine has",
            got=f"{name!r}, and {why}",
            remedy="Use device cpu, or a CUDA build of PyTorch on a machine with a GPU.",
        )
    number = torch.cuda.current_device() if device.index is None else device.index
    if number >= torch.cuda.device_count():
        raise InvalidValueError(
            f"device must be one of the {torch.cuda.device_count()} GPUs here, counted from 0",
            got=repr(name),
        )
    return torch.device("cuda", number)
