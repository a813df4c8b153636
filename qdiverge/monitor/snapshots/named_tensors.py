"""Copies of what an update reads and writes, by name: networks, optimiser, batch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.runs.saved_optimizer import check_moment, check_moments, setting

Tensors = dict[str, Tensor]


def network_tensors(networks: Sequence[nn.Module]) -> Tensors:
    """Return copies of parameters and buffers as ``INDEX.NAME``.

    >>> sorted(network_tensors([nn.Linear(1, 1)]))
    ['0.bias', '0.weight']
    """
    return {
        f"{index}.{name}": tensor.detach().clone()
        for index, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
        if isinstance(tensor, Tensor)
    }


def of_network(tensors: Tensors, index: int) -> Tensors:
    """Return the state of one network, as ``load_state_dict`` takes it."""
    start = f"{index}."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Tensors:
    """Return copies of an optimiser's tensors as ``PLACE/KEY``, the place among its parameters."""
    return {
        f"{place}/{key}": value.detach().clone()
        for place, parameter in enumerate(parameters_of(optimizer))
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def optimizer_settings(optimizer: torch.optim.Optimizer, networks: Sequence[nn.Module]) -> Any:
    """Return an optimiser's kind, groups and parameter names, ready for JSON."""
    names = {
        id(parameter): f"{index}.{name}"
        for index, network in enumerate(networks)
        for name, parameter in network.named_parameters()
    }
    kinds = [kind.__name__ for kind in type(optimizer).__mro__]
    like = next((name for name in kinds if hasattr(torch.optim, name)), None)
    groups = [
        {key: _plain(value) for key, value in group.items() if key != "params"}
        | {"params": [names.get(id(parameter)) for parameter in group["params"]]}
        for group in optimizer.param_groups
    ]
    return {"class": kinds[0], "like": like, "groups": groups}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Tensors, groups: Sequence[Mapping[str, Any]]
) -> None:
    """Put copied tensors and settings into an optimiser of the same parameters.

    A moment gets the memory layout of its parameter: fused steps walk through both side by side.

    Raises:
        ValueError: they are those of another, or of none.
    """
    parameters = parameters_of(optimizer)
    for place, parameter in enumerate(parameters):
        state = {}
        for name, tensor in tensors.items():
            where, _, key = name.partition("/")
            if where == str(place):
                check_moment(key, tensor, parameter)
            if where == str(place) and tensor.shape == parameter.shape:
                state[key] = as_laid_out(tensor, parameter)
            elif where == str(place):
                state[key] = tensor.clone()
        optimizer.state[parameter] = state
    for group, saved in zip(optimizer.param_groups, groups, strict=True):
        for key, value in saved.items():
            if key == "params":
                continue
            own = group.get(key)
            if key in group:
                value = setting(key, own, value)
            if isinstance(own, Tensor):
                own.fill_(value)
            else:
                group[key] = tuple(value) if isinstance(value, list) else value
    check_moments(optimizer)


def as_laid_out(tensor: Tensor, parameter: Tensor) -> Tensor:
    """Return a copy of ``tensor`` on the device and in the memory layout of ``parameter``."""
    return torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the parameters of an optimiser, group after group."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def batch_tensors(data: Any) -> Tensors:
    """Return copies of every tensor and array of a batch by name; those inside as ``OUTER/INNER``.

    >>> batch_tensors({"obs": np.zeros(2), "next": {"obs": torch.ones(1)}, "kind": "replay"})
    {'obs': tensor([0., 0.], dtype=torch.float64), 'next/obs': tensor([1.])}
    """
    tensors = {}
    for name, value in _entries(data):
        if isinstance(value, Tensor):
            tensors[name] = value.detach().clone()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            tensors[name] = torch.tensor(value)
        elif not isinstance(value, str | bytes):
            tensors |= {f"{name}/{inner}": t for inner, t in batch_tensors(value).items()}
    return tensors


def nested(tensors: Tensors) -> dict[str, Any]:
    """Return what :func:`batch_tensors` flattened, nested again."""
    batch: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *outer, last = name.split("/")
        inner = batch
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = tensor
    return batch


def _entries(data: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(data, Mapping) or (hasattr(data, "items") and hasattr(data, "keys")):
        return [(str(name), value) for name, value in data.items()]
    if hasattr(data, "_asdict"):
        return list(data._asdict().items())
    if is_dataclass(data):
        return [(field.name, getattr(data, field.name)) for field in fields(data)]
    return []


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value
