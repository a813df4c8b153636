"""Q-networks of many seeds in one: every weight has a leading axis of seeds."""

from itertools import pairwise

import torch
from torch import Tensor


class StackedNetwork:
    """B independent ReLU networks evaluated by batched matrix products.

    Adam works entry by entry, so one optimiser over the stack is B optimisers.

    Args:
        sizes: inputs, hidden widths, actions.
        num_seeds: B; seed b is initialised from its own generator.
    """

    def __init__(self, sizes: list[int], num_seeds: int) -> None:
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        generators = [torch.Generator().manual_seed(seed) for seed in range(num_seeds)]
        for fan_in, fan_out in pairwise(sizes):
            bound = fan_in**-0.5  # torch.nn.Linear's default
            for group, shape in ((self.weights, (fan_in, fan_out)), (self.biases, (1, fan_out))):
                draws = [torch.rand(shape, generator=g) * 2 * bound - bound for g in generators]
                group.append(torch.stack(draws).requires_grad_())

    @property
    def parameters(self) -> list[Tensor]:
        """Return every weight and bias, ``[B, …]``."""
        return [*self.weights, *self.biases]

    def hidden(self, x: Tensor) -> Tensor:
        """Return the last hidden layer at x ``[B, n, k]``; x itself where there is none."""
        for W, b in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = torch.relu(torch.baddbmm(b, x, W))
        return x

    def __call__(self, x: Tensor) -> Tensor:
        """Return Q ``[B, n, A]``."""
        return torch.baddbmm(self.biases[-1], self.hidden(x), self.weights[-1])


def build(
    name: str, features: Tensor, num_actions: int, num_seeds: int
) -> tuple[StackedNetwork, Tensor]:
    """Return the named network and the inputs it takes for each state, ``[B, S, k]``.

    "tabular" sees the one-hot of the state and "linear" the features, neither with hidden layers;
    "16x16" has two hidden layers of 16.
    """
    inputs = torch.eye(len(features)) if name == "tabular" else features
    widths = [] if name in ("tabular", "linear") else [int(width) for width in name.split("x")]
    network = StackedNetwork([inputs.shape[1], *widths, num_actions], num_seeds)
    return network, inputs.expand(num_seeds, *inputs.shape).contiguous()
