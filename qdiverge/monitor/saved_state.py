"""The state of a monitor as files: JSON, and beside it the tensors that it points to."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from qdiverge.errors import CheckpointError, InvalidTypeError, shown
from qdiverge.runs.array_files import read_tensors
from qdiverge.runs.strict_json import of_saved, read_json
from qdiverge.tensor_checks import check_device
from qdiverge.thing_checks import check_instance, check_path, type_of

VALUES, TENSORS = "monitor.json", "monitor.safetensors"
UNNAMED = Path()


def dump_state(state: dict[str, Any]) -> dict[str, bytes]:
    """Return the files of a state.

    Args:
        state: Of numbers, strings, None, lists, dicts with string keys, and tensors anywhere.

    Returns:
        Name → content. A tensor that stands in two places is written once.

    Raises:
        InvalidTypeError: something else is in it, or a tensor that no file can hold.

    >>> import torch
    >>> x = torch.ones(2)
    >>> back = load_state(dump_state({"a": x, "b": [x, float("nan")]}))
    >>> back["a"] is back["b"][0], back["b"]
    (True, [tensor([1., 1.]), nan])
    """
    tensors: dict[int, tuple[str, Tensor]] = {}

    def pack(value: Any) -> Any:
        if isinstance(value, Tensor):
            name, _ = tensors.setdefault(id(value), (f"t{len(tensors)}", value))
            return {"tensor": name}
        if isinstance(value, dict):
            return {key: pack(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [pack(each) for each in value]
        if isinstance(value, float) and not math.isfinite(value):  # JSON has none
            return {"float": str(value)}
        return value

    check_instance("state", state, dict)
    try:
        values = json.dumps(pack(state), allow_nan=False).encode()
        held = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.values()}
        return {VALUES: values, TENSORS: safetensors.torch.save(held)}
    except Exception as error:  # of somebody's own object, it may be any
        raise InvalidTypeError(
            "state must be of numbers, text, None, lists, dicts with string keys, and tensors",
            got=f"{type(error).__name__}: {shown(error)}",
        ) from error


def load_state(
    files: dict[str, bytes], device: torch.device | str = "cpu", folder: Path = UNNAMED
) -> dict[str, Any]:
    """Read what :func:`dump_state` wrote, tensors on ``device``; tuples become lists.

    Raises:
        CheckpointError: it is damaged, or no such thing; the message names the file.
        InvalidTypeError, InvalidValueError: ``device`` is none, or ``folder`` no path.
    """
    device, folder = check_device("device", device), check_path("folder", folder)
    check_instance("files", files, Mapping)
    for name in (VALUES, TENSORS):
        if not isinstance(files.get(name), bytes):
            raise CheckpointError(f"{folder / name} must be there", got=type_of(files.get(name)))
    loaded = read_tensors(files[TENSORS], folder / TENSORS)
    with of_saved(folder / TENSORS, CheckpointError):
        tensors = {name: tensor.to(device) for name, tensor in loaded.items()}

    def unpack(value: Any) -> Any:
        if isinstance(value, dict) and value.keys() == {"tensor"}:
            return tensors[value["tensor"]]
        if isinstance(value, dict) and value.keys() == {"float"}:
            return float(value["float"])
        if isinstance(value, dict):
            return {key: unpack(each) for key, each in value.items()}
        if isinstance(value, list):
            return [unpack(each) for each in value]
        return value

    with of_saved(folder / VALUES, CheckpointError):
        values = read_json(files[VALUES], dict[str, Any], folder / VALUES, CheckpointError)
        return dict(unpack(values))
