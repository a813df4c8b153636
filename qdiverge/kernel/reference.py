"""The slow and obvious method: one backward pass for each sample and action."""

import torch
from torch import Tensor

from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs


def jacobian_by_loop(network: Network, pairs: Pairs, names: list[str]) -> dict[str, Tensor]:
    """Return ∂Q(x_i)/∂θ for each named parameter, [n, A', *shape].

    A forward pass of one sample, and a backward pass for each of its outputs.
    """
    params = {k: v.detach().requires_grad_(k in names) for k, v in network.params.items()}
    leaves = [params[name] for name in names]
    rows = []
    for i in range(len(pairs)):
        values = network.values(params, pairs[i : i + 1])[0]
        for value in values:
            rows.append(_gradients(value, leaves))  # noqa: PERF401
    shape = (len(pairs), len(rows) // len(pairs))
    columns = zip(*rows, strict=True)
    return {
        name: torch.stack(column).unflatten(0, shape)
        for name, column in zip(names, columns, strict=True)
    }


def _gradients(value: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    gradients = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for g, p in zip(gradients, leaves, strict=True)]
