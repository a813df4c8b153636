"""The weights of an agent and the state of its optimiser as safetensors."""

from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from qdiverge.agents.dqn import DQN
from qdiverge.errors import CheckpointError


def dump_weights(agent: DQN) -> bytes:
    """Both networks, buffers included: ``online.NAME`` and ``target.NAME``."""
    networks = {"online": agent.q_network, "target": agent.target_network}
    return _dump(
        {
            f"{role}.{name}": tensor
            for role, network in networks.items()
            if network is not None
            for name, tensor in network.state_dict().items()
        }
    )


def load_weights(agent: DQN, data: bytes) -> None:
    """Put saved weights into the networks of ``agent``; how they lie in memory stays as it is.

    Raises:
        CheckpointError: they are those of another network.
    """
    tensors = safetensors.torch.load(data)
    networks = {"online": agent.q_network, "target": agent.target_network}
    for role, network in networks.items():
        saved = {
            name.partition(".")[2]: tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{role}.")
        }
        if network is None and saved:
            raise _other_network("a target network")
        if network is not None:
            try:
                network.load_state_dict(saved)
            except RuntimeError as error:
                raise _other_network(" ".join(str(error).split())) from error


def dump_optimizer(agent: DQN) -> bytes:
    """Its tensors: ``KEY/NAME OF THE PARAMETER``, such as ``exp_avg/layers.0.weight``."""
    names = _parameter_names(agent.q_network)
    return _dump(
        {
            f"{key}/{names[id(parameter)]}": value
            for parameter, state in agent.optimizer.state.items()
            for key, value in state.items()
        }
    )


def load_optimizer(agent: DQN, data: bytes, groups: list[dict[str, Any]]) -> None:
    """Put a saved state into the optimiser of ``agent``.

    A moment gets the memory layout of its parameter: fused steps walk through both side by side.

    Args:
        agent: Changed.
        data: As :func:`dump_optimizer` gave it.
        groups: As :func:`optimizer_groups` gave it.

    Raises:
        CheckpointError: it is that of another network.
    """
    parameters = dict(agent.q_network.named_parameters())
    for path, tensor in safetensors.torch.load(data).items():
        key, _, name = path.partition("/")
        if name not in parameters:
            raise _other_network(path)
        parameter = parameters[name]
        if tensor.shape == parameter.shape:
            like = torch.empty_like(parameter, dtype=tensor.dtype, requires_grad=False)
            tensor = like.copy_(tensor)
        elif any(group.get(way) for group in groups for way in ("fused", "capturable")):
            tensor = tensor.to(parameter.device)  # the count of steps
        agent.optimizer.state[parameter][key] = tensor
    for group, saved in zip(agent.optimizer.param_groups, groups, strict=True):
        for key, value in saved.items():
            if isinstance(group[key], Tensor):
                group[key].fill_(value)
            else:
                group[key] = tuple(value) if isinstance(value, list) else value


def optimizer_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """The settings of each parameter group, ready for JSON."""
    return [
        {
            key: value.item() if isinstance(value, Tensor) else value
            for key, value in group.items()
            if key != "params"
        }
        for group in optimizer.param_groups
    ]


def _parameter_names(network: nn.Module) -> dict[int, str]:
    return {id(parameter): name for name, parameter in network.named_parameters()}


def _dump(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    )


def _other_network(got: str) -> CheckpointError:
    return CheckpointError(
        "the weights of the network that the configuration describes were expected", got=got
    )
