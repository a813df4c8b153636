"""Noisy networks: what an update does on the average over its draws of the weights' noise.

    E[K] = E_ε[J_ε P J_εᵀ] ≈ (1/R) Σ_r J_{ε_r} P J_{ε_r}ᵀ

An update draws ε anew (Fortunato et al. 2018, arXiv:1706.10295); at its mean, ε = 0, the scales σ
have no gradient, and K comes out too small.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.diagnostics.quiet import quiet
from qdiverge.generators import seed_torch

NUM_DRAWS = 8
DRAW = ("reset_noise", "sample_noise", "sample")  # methods that draw a layer's noise
Kernels = dict[str, Tensor]


def noisy_layers(module: nn.Module) -> list[nn.Module]:
    """Return the layers whose class is called Noisy….

    >>> class NoisyLinear(nn.Linear): ...
    >>> len(noisy_layers(nn.Sequential(NoisyLinear(1, 1), nn.Linear(1, 1))))
    1
    """
    return [part for part in module.modules() if "Noisy" in type(part).__name__]


def can_draw(module: nn.Module) -> bool:
    """Return whether each noisy layer has a method that draws its noise, without arguments."""
    return all(_draw_of(layer) is not None for layer in noisy_layers(module))


def over_draws(
    module: nn.Module, compute: Callable[[], Kernels], seed: int = 0
) -> tuple[Kernels, float]:
    """Return what ``compute`` gives, averaged over draws of the noise, and its standard error.

    Args:
        module: In evaluation mode meanwhile; its noise, flags and the random states are put back.
        compute: Called once where no layer is noisy, else for each draw.
        seed: Of the draws.

    Returns:
        The averages, and ‖standard error‖ / ‖average‖ of them all; 0.0 without noise.
    """
    layers = noisy_layers(module)
    with quiet(module):
        if not layers or not can_draw(module):
            return compute(), 0.0
        seed_torch(seed, next(module.parameters()).device)
        with _same_noise(layers):
            draws = [compute() for _ in map(_draw_all, [layers] * NUM_DRAWS)]
    each = {name: torch.stack([draw[name] for draw in draws]) for name in draws[0]}
    mean = {name: stack.mean(0) for name, stack in each.items()}
    spread = sum(float(stack.var(0).sum()) for stack in each.values()) / NUM_DRAWS
    size = sum(float(average.square().sum()) for average in mean.values())
    return mean, (spread / size) ** 0.5 if size else 0.0


def draw_noise(module: nn.Module) -> None:
    """Draw new noise for each noisy layer that says how, from the global generator."""
    for layer in noisy_layers(module):
        if (draw := _draw_of(layer)) is not None:
            draw()


def _draw_all(layers: list[nn.Module]) -> None:
    for layer in layers:
        layer.train()  # some mute their noise in evaluation
        _draw_of(layer)()


@contextmanager
def _same_noise(layers: list[nn.Module]) -> Iterator[None]:
    """Put back what a draw sets anew, be it a buffer or a plain tensor; quiet sees to the rest."""
    places = [holder for layer in layers for holder in (layer._buffers, layer.__dict__)]
    tensors = [{k: v for k, v in place.items() if isinstance(v, Tensor)} for place in places]
    values = [{k: v.clone() for k, v in originals.items()} for originals in tensors]
    try:
        yield
    finally:
        for place, originals, value in zip(places, tensors, values, strict=True):
            for name, tensor in originals.items():
                with torch.no_grad():
                    tensor.copy_(value[name])
                place[name] = tensor


def _draw_of(layer: nn.Module) -> Any:
    methods = (getattr(layer, name, None) for name in DRAW)
    return next((method for method in methods if callable(method)), None)
