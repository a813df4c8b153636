"""Refuse networks without a per-sample gradient: those that mix samples or draw random numbers."""

import random as python_random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidValueError, UnsupportedNetworkError
from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs


def check_network(
    network: Network, pairs: Pairs, forward: Callable[[Pairs], Tensor] | None = None
) -> int:
    """Return the number of actions A (1 for a critic) when samples cannot influence each other.

    Runs the network on two and on three of the samples: a row must not depend on the others, and
    the random state must not move.

    Args:
        network: The network.
        pairs: The pairs to be used.
        forward: Runs it on some pairs, if not :meth:`Network.values`.

    Raises:
        UnsupportedNetworkError: samples are mixed or random numbers drawn; the module is named.
        InvalidValueError: the output has a wrong shape or an action is out of range.
    """
    check_modules(network)
    everything = Pairs(pairs.observations, pairs.actions if pairs.is_critic else None)
    two, three = take(everything, 2), take(everything, 3)
    device = pairs.observations.device
    before = random_state(device)
    run = forward or (lambda some: network.values(network.params, some).detach())
    values_2 = run(two)
    if not torch.equal(before, random_state(device)):
        raise UnsupportedNetworkError(
            "q_net must give the same Q-values in every forward pass",
            got=f"random numbers drawn in {_guilty(network, two, two, random=True)}",
            remedy="Freeze its noise, or call q_net.eval().",
        )
    values_3 = run(three)
    if not same_rows(values_2, values_3):
        raise UnsupportedNetworkError(
            "q_net must treat each sample by itself",
            got=f"a row that depends on the rest of the batch in {_guilty(network, two, three)}",
            remedy="Use per-sample normalisation (LayerNorm, GroupNorm), or call q_net.eval().",
        )
    return check_range(pairs, values_2.shape[1])


def check_range(pairs: Pairs, num_actions: int) -> int:
    """Return A when every chosen action is one of 0 … A−1.

    Raises:
        InvalidValueError: one is not.
    """
    if pairs.actions is not None and not pairs.is_critic:
        least, most = (int(v) for v in torch.aminmax(pairs.actions))
        if least < 0 or most >= num_actions:
            raise InvalidValueError(
                f"actions must lie in 0 … {num_actions - 1}", got=f"{least} … {most}"
            )
    return num_actions


def check_modules(network: Network) -> None:
    """Raise for modules that are known to mix samples or to draw random numbers as they are now."""
    for name, module in network.module.named_modules():
        where = f"{network.prefix + name or 'q_net'} ({type(module).__name__})"
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (
            module.training or module.running_mean is None
        ):
            raise UnsupportedNetworkError(
                "q_net must treat each sample by itself",
                got=f"{where}, which normalises over the batch",
                remedy="Call q_net.eval() first, or use LayerNorm or GroupNorm.",
            )
        if module.training and _draws(module):
            raise UnsupportedNetworkError(
                "q_net must give the same Q-values in every forward pass",
                got=f"{where}, which is active",
                remedy="Call q_net.eval() first.",
            )


def _draws(module: nn.Module) -> bool:
    if isinstance(module, nn.modules.dropout._DropoutNd | nn.MultiheadAttention | nn.RNNBase):
        rate = module.p if isinstance(module, nn.modules.dropout._DropoutNd) else module.dropout
        return rate > 0 and not (isinstance(module, nn.RNNBase) and module.num_layers == 1)
    return isinstance(module, nn.RReLU | nn.FractionalMaxPool2d | nn.FractionalMaxPool3d)


def random_state(device: torch.device) -> Tensor:
    """Return the state of the generators that a network on ``device`` draws from, as bytes."""
    _, words, place, *_ = np.random.get_state()  # noqa: NPY002
    numbers = np.array([*python_random.getstate()[1], *words, place], dtype=np.int64)
    states = [torch.get_rng_state(), torch.from_numpy(numbers).view(torch.uint8)]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    return torch.cat(states)


def take(pairs: Pairs, num: int) -> Pairs:
    """Return ``num`` of the pairs spread over the batch, repeating where it is too small."""
    rows = [k * (len(pairs) - 1) // (num - 1) for k in range(num)]
    index = torch.tensor([rows[0], rows[-1], *rows[1:-1]], device=pairs.observations.device)
    actions = None if pairs.actions is None else pairs.actions[index]
    return Pairs(pairs.observations[index], actions)


def same_rows(two: Tensor, three: Tensor) -> bool:
    """Return whether the rows that both hold agree to what rounding allows."""
    if not two.is_floating_point():
        return torch.equal(two, three[:2])
    scale = float(three.abs().max()) if three.numel() else 0.0
    tolerance = torch.finfo(two.dtype).eps ** 0.5 * scale
    return bool(torch.allclose(two, three[:2], rtol=0.0, atol=tolerance, equal_nan=True))


def _guilty(network: Network, two: Pairs, three: Pairs, *, random: bool = False) -> str:
    """Return the name of the innermost module whose rows differ, or that draws."""
    seen: list[list[tuple[str, Tensor | None, bool]]] = []
    states: list[Tensor] = []

    def before(module: nn.Module, inputs: object) -> None:
        states.append(random_state(two.observations.device))

    def after(name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            drew = not torch.equal(states.pop(), random_state(two.observations.device))
            tensor = output.detach().clone() if isinstance(output, Tensor) else None
            seen[-1].append((name or "q_net's own forward", tensor, drew))

        return hook

    handles = []
    try:
        for name, module in network.module.named_modules():
            handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(after(name)))
        for pairs in (two, three):
            seen.append([])
            network.values(network.params, pairs)
    finally:
        for handle in handles:
            handle.remove()
    for (name, left, drew), (_, right, _) in zip(*seen, strict=False):
        if random and drew:
            return name
        if not random and left is not None and right is not None and not _rows(left, right):
            return name
    return "its own forward"


def _rows(left: Tensor, right: Tensor) -> bool:
    return left.shape[0] != 2 or right.shape[0] != 3 or same_rows(left, right)
