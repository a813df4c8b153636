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
    values: Callable[[Parameters], Tensor], at: Parameters, along: Parameters
) -> Tensor:
    """Return J u by forward mode, or by differentiating Jᵀw in w where that fails.

    Args:
        values: Of parameters by name.
        at: Where.
        along: u, of the same names.

    >>> derivative_along(lambda p: p["w"] ** 2, {"w": torch.tensor([3.0])}, {"w": torch.ones(1)})
    tensor([6.])
    """
    try:
        return _forward(values, at, along)
    except (RuntimeError, NotImplementedError):
        params = {k: v.detach().requires_grad_() for k, v in at.items()}
        result = values(params)
        return _twice_back(*_back(result, params, torch.zeros_like(result)), along)


def pull_and_push(
    values: Callable[[Parameters], Tensor], at: Parameters, vector: Tensor
) -> tuple[Tensor, Parameters, Callable[[Parameters], Tensor]]:
    """Return f(θ), Jᵀw of the parameters that it reaches, and what makes J u, of one forward pass.

    J u is the derivative of ⟨Jᵀw, u⟩ in w, wherever w is: forward mode takes half as long, but at
    its first use in a process PyTorch compiles for a quarter of a second. It is used where a second
    derivative fails.

    Args:
        values: f, of parameters by name.
        at: θ.
        vector: w, as the values are shaped.

    >>> square = lambda p: p["w"] ** 2
    >>> value, pulled, push = pull_and_push(square, {"w": torch.tensor([3.0])}, torch.ones(1))
    >>> value, pulled["w"], push({"w": torch.tensor([2.0])})
    (tensor([9.]), tensor([6.]), tensor([12.]))
    """
    params = {k: v.detach().requires_grad_() for k, v in at.items()}
    result = values(params)
    back, dual = _back(result, params, vector)

    def push(along: Parameters) -> Tensor:
        try:
            return _twice_back(back, dual, along)
        except (RuntimeError, NotImplementedError):
            return _forward(values, at, along)

    return result.detach(), {k: v.detach() for k, v in back.items()}, push


def _forward(values: Callable[[Parameters], Tensor], at: Parameters, along: Parameters) -> Tensor:
    with warnings.catch_warnings():  # torch's own, at the first use of forward mode
        warnings.simplefilter("ignore", DeprecationWarning)
        forward: Tensor = jvp(values, (at,), (along,))[1]
        return forward


def _back(result: Tensor, params: Parameters, vector: Tensor) -> tuple[Parameters, Tensor]:
    """Return Jᵀw by reached parameter, as a function of w; and w."""
    w = vector.detach().to(result).requires_grad_()
    rows = torch.autograd.grad(
        result, list(params.values()), w, create_graph=True, allow_unused=True
    )
    return {k: row for k, row in zip(params, rows, strict=True) if row is not None}, w


def _twice_back(back: Parameters, dual: Tensor, along: Parameters) -> Tensor:
    total = sum((row * along[k]).sum() for k, row in back.items())
    assert isinstance(total, Tensor)
    return torch.autograd.grad(total, dual)[0]
