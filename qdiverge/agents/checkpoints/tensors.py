"""The weights of an agent and the state of its optimisers as safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from qdiverge.agents.interfaces import Agent
from qdiverge.errors import CheckpointError
from qdiverge.runs.array_files import read_tensors
from qdiverge.runs.saved_optimizer import check_moment, check_moments, setting

UNNAMED = Path("weights.safetensors")


def dump_weights(agent: Agent) -> bytes:
    """Return all weights and buffers: ``ROLE.NAME``, of a DQN ``online.`` and ``target.NAME``."""
    return _dump(
        {
            f"{role}.{name}": tensor
            for role, network in agent.networks.items()
            for name, tensor in network.state_dict().items()
        }
    )


def load_weights(agent: Agent, data: bytes, path: Path = UNNAMED) -> None:
    """Put saved weights into the networks of ``agent``; how they lie in memory stays as it is.

    Raises:
        CheckpointError: they are those of another network.
    """
    saved: dict[str, dict[str, Tensor]] = {role: {} for role in agent.networks}
    for place, tensor in read_tensors(data, path).items():
        role, _, name = place.partition(".")
        if role not in saved:
            raise _other_network(f"a {role} network")
        saved[role][name] = tensor
    for role, network in agent.networks.items():
        try:
            network.load_state_dict(saved[role])
        except RuntimeError as error:
            raise _other_network(" ".join(str(error).split())) from error


def dump_optimizer(agent: Agent) -> bytes:
    """Return their tensors: ``KEY/NAME OF THE PARAMETER``, such as ``exp_avg/layers.0.weight``."""
    names = {id(parameter): name for name, parameter in agent.parameters.items()}
    return _dump(
        {
            f"{key}/{names[id(parameter)]}": value
            for optimizer in agent.optimizers
            for parameter, state in optimizer.state.items()
            for key, value in state.items()
        }
    )


def load_optimizer(
    agent: Agent, data: bytes, groups: list[dict[str, Any]], path: Path = UNNAMED
) -> None:
    """Put a saved state into the optimisers of ``agent``.

    A moment gets the memory layout of its parameter: fused steps walk through both side by side.

    Args:
        agent: Changed.
        data: As :func:`dump_optimizer` gave it.
        groups: As :func:`optimizer_groups` gave it.
        path: Of its file, for messages.

    Raises:
        CheckpointError: it is that of another network.
        ValueError: it is that of no optimiser.
    """
    own = [group for optimizer in agent.optimizers for group in optimizer.param_groups]
    if len(own) != len(groups):
        raise _other_network(f"{len(groups)} groups of parameters for {len(own)}")
    for group, saved in zip(own, groups, strict=True):
        for key, value in saved.items():
            if key not in group:
                continue  # what an older version kept there, such as PreQN's last α
            if group[key] is None or isinstance(group[key], bool | str):
                continue  # how a step is made, which its configuration says
            value = setting(key, group[key], value)
            if isinstance(group[key], Tensor):
                group[key].fill_(value)
            else:
                group[key] = value
    movers = {
        id(parameter): (optimizer, group)
        for optimizer in agent.optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for place, tensor in read_tensors(data, path).items():
        key, _, name = place.partition("/")
        if name not in agent.parameters:
            raise _other_network(place)
        parameter = agent.parameters[name]
        optimizer, group = movers[id(parameter)]
        check_moment(key, tensor, parameter)
        if key != "step" and tensor.shape == parameter.shape:
            like = torch.empty_like(parameter, dtype=tensor.dtype)
            tensor = like.copy_(tensor)
        elif group.get("fused") or group.get("capturable"):
            tensor = tensor.to(parameter.device)  # the count of steps
        optimizer.state[parameter][key] = tensor
    for optimizer in agent.optimizers:
        check_moments(optimizer)


def optimizer_groups(agent: Agent) -> list[dict[str, Any]]:
    """Return the settings of each parameter group of each optimiser, ready for JSON."""
    return [
        {
            key: value.item() if isinstance(value, Tensor) else value
            for key, value in group.items()
            if key != "params"
        }
        for optimizer in agent.optimizers
        for group in optimizer.param_groups
    ]


def _dump(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    )


def _other_network(got: str) -> CheckpointError:
    return CheckpointError(
        "the saved weights must be those of the network that the configuration describes", got=got
    )
