"""The fewest multiply-adds that the exact kernel takes, counted from the network itself.

A forward pass, a backward pass to the layers' outputs, then for each layer the cheaper of

    product form    K_ij = (a_i·a_j + 1)(g_i·g_j), summed over T × T positions
    explicit form   K_ij = w_i·w_j with the per-sample weight gradients w_i = g_i a_iᵀ

for every pair i ≤ j. Additions alone, activations and copies count as nothing, so no implementation
reaches this floor.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """A linear map used once, at T positions of each sample.

    Attributes:
        fan_in: Inputs of one output at one position.
        fan_out: Outputs at one position.
        positions: T; 1 for a linear layer.
        has_bias: Whether a bias is added.
        has_upstream: Whether parameters come before it, so that the backward pass goes through.
    """

    fan_in: int
    fan_out: int
    positions: int
    has_bias: bool
    has_upstream: bool

    @property
    def forward(self) -> int:
        """Return one sample's multiply-adds, forward, and in either half of the backward pass."""
        return self.positions * self.fan_in * self.fan_out


@dataclass(frozen=True)
class Operations:
    """Multiply-adds: for each sample, for each ordered pair of samples, and in all.

    Attributes:
        per_sample: Forward, backward to layer outputs, per-sample weight gradients.
        per_pair: The Gram products of one ordered pair of samples.
        total: N·per_sample + N(N+1)/2·per_pair: each unordered pair once.
    """

    per_sample: int
    per_pair: int
    total: int


def layers(network: nn.Module, observation: Tensor) -> list[Layer]:
    """Return the linear and convolutional layers in the order of use; ``observation`` is [1, ...].

    Raises:
        ValueError: another kind of layer holds parameters.
    """
    layers: list[Layer] = []

    def hook(module: nn.Linear | nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        weight, bias = module.weight, module.bias is not None
        positions = output[0].numel() // weight.shape[0]
        upstream = inputs[0].requires_grad
        layers.append(Layer(weight[0].numel(), weight.shape[0], positions, bias, upstream))

    handles = []
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            handles.append(module.register_forward_hook(hook))
        elif any(True for _ in module.parameters(recurse=False)):
            raise ValueError(f"expected Linear and Conv2d layers; got {type(module).__name__}")
    try:
        with torch.enable_grad():
            network(observation)
    finally:
        for handle in handles:
            handle.remove()
    return layers


def floor_operations(layers: list[Layer], num: int, num_outputs: int = 1) -> Operations:
    """Return the floor for N samples with A' differentiated outputs each.

    >>> layer = Layer(fan_in=3, fan_out=2, positions=1, has_bias=False, has_upstream=False)
    >>> floor_operations([layer], num=4)  # forward 6; a·a 3 and g·g 2 for each of 10 pairs
    Operations(per_sample=6, per_pair=5, total=74)
    """
    per_sample = sum(layer.forward for layer in layers)
    per_sample += num_outputs * sum(layer.forward for layer in layers if layer.has_upstream)
    per_pair = 0
    for layer in layers:
        explicit, product = _explicit(layer, num_outputs), _product(layer, num_outputs)
        cheaper = min(explicit, product, key=lambda form: _total(form[0], form[1], num))
        per_sample, per_pair = per_sample + cheaper[0], per_pair + cheaper[1]
    return Operations(per_sample, per_pair, _total(per_sample, per_pair, num))


def num_parameters(network: nn.Module) -> int:
    """Return P."""
    return sum(math.prod(p.shape) for p in network.parameters())


def _explicit(layer: Layer, num_outputs: int) -> tuple[int, int]:
    width = layer.fan_in * layer.fan_out + layer.has_bias * layer.fan_out
    return num_outputs * layer.forward, num_outputs**2 * width


def _product(layer: Layer, num_outputs: int) -> tuple[int, int]:
    pairs = layer.positions**2
    return 0, pairs * (layer.fan_in + num_outputs**2 * layer.fan_out)


def _total(per_sample: int, per_pair: int, num: int) -> int:
    return num * per_sample + num * (num + 1) // 2 * per_pair
