"""Refuse networks without a per-sample gradient: those that mix samples or draw random numbers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from qdiverge.calling import own_errors
from qdiverge.errors import (
    InvalidValueError,
    MixedSamplesError,
    QDivergeError,
    UnsupportedNetworkError,
)
from qdiverge.generators import global_states, same_states
from qdiverge.kernel.guilty_module import drawing_module, mixing_module
from qdiverge.kernel.network import Network, read_network, untouched, unwrap
from qdiverge.kernel.pairs import Pairs, check_pairs
from qdiverge.kernel.sample_mixing import (
    RowValues,
    TrialRows,
    mixes_samples,
    same_rows,
    take,
    values_and_mixing,
)


def check_network(
    network: Network, pairs: Pairs, forward: Callable[[Pairs], Tensor] | None = None
) -> RowValues:
    """Return the network's values at a few of the pairs when samples cannot influence each other.

    Runs it on small batches of them: a row must not depend on the others, and the random state must
    not move.

    Args:
        network: The network.
        pairs: The pairs to be used.
        forward: Runs it on some pairs, if not :meth:`Network.values`; called for two and for three.

    Raises:
        UnsupportedNetworkError: samples are mixed or random numbers drawn; the module is named.
        InvalidValueError: the output has a wrong shape or an action is out of range.
    """
    check_modules(network)
    everything = Pairs(pairs.observations, pairs.actions if pairs.is_critic else None)
    rows, device = TrialRows.of(len(pairs)), pairs.observations.device
    run = forward or (lambda some: network.values(network.params, some).detach())
    before = global_states(device)
    inputs = (pairs.observations, pairs.actions) if pairs.is_critic else (pairs.observations,)
    with own_errors("q_net", *(part[:2] for part in inputs if part is not None)):
        values_2 = run(take(everything, rows.two))
    if not same_states(before, global_states(device)):
        where = drawing_module(network, take(everything, rows.two))
        raise UnsupportedNetworkError(
            "q_net must give the same Q-values in every forward pass",
            got=f"random numbers drawn in {where}",
            remedy="Freeze its noise, or call q_net.eval().",
        )
    with own_errors("q_net", *(part[:3] for part in inputs if part is not None)):
        values = run(take(everything, rows.three))
    is_mixed, known = not same_rows(values_2, values), RowValues(rows.three, values)
    for indices, place in rows.others:
        alone = values[place : place + 1]
        others, depends = values_and_mixing(network, take(everything, indices), alone)
        is_mixed |= depends
        known = known.joined(RowValues(indices, others))
    if is_mixed:
        raise mixes_samples(
            "a row that depends on the rest of the batch in "
            + mixing_module(network, everything, rows.batches)
        )
    check_range(pairs, known.num_actions)
    return known


def why_mixed(q_net: nn.Module, observations: Tensor, actions: Tensor) -> str:
    """Return why no row of a batch has values of its own; "" where each has.

    What else is wrong with the network is left to whoever makes kernels of it.

    Args:
        q_net: Left untouched.
        observations: [N, ...].
        actions: Integers [N], or a critic's [N, k].
    """
    with untouched(unwrap(q_net)[0]):
        try:
            network = read_network(q_net)
            device = next(iter(network.params.values())).device
            pairs = check_pairs(observations, actions, device=device)
            check_network(network, Pairs(pairs.observations, pairs.actions))
        except MixedSamplesError as error:
            return str(error)
        except QDivergeError:
            return ""
    return ""


def check_range(pairs: Pairs, num_actions: int) -> None:
    """Raise an InvalidValueError unless every chosen action is one of 0 … A−1."""
    if pairs.actions is not None and not pairs.is_critic:
        least, most = (int(v) for v in torch.aminmax(pairs.actions))
        if least < 0 or most >= num_actions:
            raise InvalidValueError(
                f"actions must lie in 0 … {num_actions - 1}", got=f"{least} … {most}"
            )


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
