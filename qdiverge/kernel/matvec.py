"""K v = J M (Jᵀ v): one vector-Jacobian and one Jacobian-vector product, K never held."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jvp

from qdiverge.kernel.network import Network
from qdiverge.kernel.pairs import Pairs
from qdiverge.kernel.reference import jacobian_by_loop
from qdiverge.kernel.stream import blocks

Parameters = dict[str, Tensor]


def matvec(
    network: Network, pairs: Pairs, vector: Tensor, scales: dict[str, Tensor], block_size: int
) -> Tensor:
    """Return K v, shaped as ``vector`` [N, A'].

    Args:
        network: The network.
        pairs: N pairs.
        vector: v [N, A'].
        scales: M by parameter, empty for M = 1.
        block_size: Samples in one forward pass.
    """
    parts = blocks(len(pairs), block_size)
    params = {k: v.detach().requires_grad_() for k, v in network.params.items()}
    update = {k: torch.zeros_like(v) for k, v in network.params.items()}  # M Jᵀ v
    for rows in parts:
        values = network.values(params, pairs[rows])
        if not values.requires_grad:
            return torch.zeros_like(vector)
        gradients = torch.autograd.grad(
            values, list(params.values()), vector[rows], allow_unused=True
        )
        for total, gradient in zip(update.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient
    for name, scale in scales.items():
        update[name] *= scale
    return torch.cat([times_jacobian(network, pairs[rows], update) for rows in parts])


def times_jacobian(network: Network, pairs: Pairs, update: dict[str, Tensor]) -> Tensor:
    """Return J u [n, A'] by differentiation, else row by row."""
    try:
        return derivative_along(lambda p: network.values(p, pairs), network.params, update)
    except (RuntimeError, NotImplementedError):
        rows = jacobian_by_loop(network, pairs, list(update))
        return torch.stack(
            [(j * update[k]).reshape(*j.shape[:2], -1).sum(-1) for k, j in rows.items()]
        ).sum(0)


def derivative_along(
    values: Callable[[Parameters], Tensor],
    at: Parameters,
    along: Parameters,
    *,
    is_backward: bool = False,
) -> Tensor:
    """Return J u by forward mode, or by differentiating Jᵀw in w; where one fails, by the other.

    Args:
        values: Of parameters by name.
        at: Where.
        along: u, of the same names.
        is_backward: Whether to begin with the other: forward mode takes half its time, but at its
            first use in a process PyTorch compiles for a quarter of a second.

    >>> derivative_along(lambda p: p["w"] ** 2, {"w": torch.tensor([3.0])}, {"w": torch.ones(1)})
    tensor([6.])
    """
    first, second = (_backward, _forward) if is_backward else (_forward, _backward)
    try:
        return first(values, at, along)
    except (RuntimeError, NotImplementedError):
        return second(values, at, along)


def _forward(values: Callable[[Parameters], Tensor], at: Parameters, along: Parameters) -> Tensor:
    with warnings.catch_warnings():  # torch's own, at the first use of forward mode
        warnings.simplefilter("ignore", DeprecationWarning)
        forward: Tensor = jvp(values, (at,), (along,))[1]
        return forward


def _backward(values: Callable[[Parameters], Tensor], at: Parameters, along: Parameters) -> Tensor:
    params = {k: v.detach().requires_grad_() for k, v in at.items()}
    result = values(params)
    dual = torch.zeros_like(result, requires_grad=True)
    back = torch.autograd.grad(
        result, list(params.values()), dual, create_graph=True, materialize_grads=True
    )
    total = sum((b * along[k]).sum() for b, k in zip(back, params, strict=True))
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, dual)[0]
