"""neural-tangents' Jacobian contraction, compiled by JAX, on the same weights.

Its structured-derivatives method does not run on a JAX that goes with NumPy 2.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.dlpack import from_dlpack


def kernel(network: nn.Module, observations: Tensor, actions: Tensor | str) -> Tensor:
    """Return K [N, N], or [N, A, N, A] for all actions."""
    import jax.numpy as jnp

    leaves = [m for m in network.modules() if not list(m.children())]
    params = [[jnp.asarray(p.detach().cpu().numpy()) for p in m.parameters()] for m in leaves]
    x = jnp.asarray(observations.float().cpu().numpy())
    if observations.dtype == torch.uint8:
        x = x / 255
    num_actions = int(leaves[-1].get_parameter("weight").shape[0])
    chosen = isinstance(actions, Tensor)
    picks = (
        nn.functional.one_hot(actions, num_actions).float().cpu()
        if isinstance(actions, Tensor)
        else torch.zeros(len(x), num_actions)
    )
    ntk = _compiled(tuple(map(_describe, leaves)), chosen)
    gram = from_dlpack(ntk((x, jnp.asarray(picks.numpy())), None, params))  # [N, N, A', A']
    return gram[..., 0, 0] if chosen else gram.permute(0, 2, 1, 3)


@functools.cache
def _compiled(layers: tuple[tuple[str, tuple[int, ...]], ...], chosen: bool) -> Callable[..., Any]:
    import jax
    import neural_tangents as nt
    from jax.lax import conv_general_dilated

    def values(params: list[list[Any]], inputs: tuple[Any, Any]) -> Any:
        x, picks = inputs
        for (kind, stride), weights in zip(layers, params, strict=True):
            if kind == "Conv2d":
                x = conv_general_dilated(x, weights[0], stride, "VALID") + weights[1][:, None, None]
            elif kind == "Linear":
                x = x @ weights[0].T + weights[1]
            elif kind == "Flatten":
                x = x.reshape(len(x), -1)
            else:
                x = {"ReLU": jax.nn.relu, "Tanh": jax.numpy.tanh}[kind](x)
        return (x * picks).sum(1, keepdims=True) if chosen else x

    implementation = nt.NtkImplementation.JACOBIAN_CONTRACTION
    axes: Any = ((0, 0), 0, {})
    return jax.jit(
        nt.empirical_ntk_fn(values, trace_axes=(), vmap_axes=axes, implementation=implementation)
    )


def _describe(module: nn.Module) -> tuple[str, tuple[int, ...]]:
    return type(module).__name__, getattr(module, "stride", ())
