"""The study's networks: width, depth, activation and LayerNorm, on vectors, grids and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "elu": nn.ELU,
}
CHANNELS = 8  # of the one convolution on grids


class QNetwork(nn.Module):
    """An MLP behind, on grids [C, H, W], one 3×3 convolution; reads any real dtype.

    Args:
        shape: Of an observation.
        num_outputs: A; 1 for a critic, which reads (s, a) side by side.
        width: Of each hidden layer.
        depth: How many hidden layers the MLP has.
        activation: A key of ACTIVATIONS.
        layer_norm: Normalise before every activation.

    >>> network = QNetwork((4,), 2, width=8, depth=1, activation="tanh", layer_norm=False)
    >>> network(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        shape: Sequence[int],
        num_outputs: int,
        *,
        width: int,
        depth: int,
        activation: str,
        layer_norm: bool,
    ) -> None:
        super().__init__()
        act = ACTIVATIONS[activation]
        layers: list[nn.Module] = []
        size = shape[0]
        if len(shape) == 3:
            channels, height, breadth = shape
            layers += [nn.Conv2d(channels, CHANNELS, 3)]
            layers += [nn.GroupNorm(1, CHANNELS)] if layer_norm else []
            layers += [act(), nn.Flatten()]
            size = CHANNELS * (height - 2) * (breadth - 2)
        for before, after in pairwise([size, *[width] * depth]):
            layers += [nn.Linear(before, after)]
            layers += [nn.LayerNorm(after)] if layer_norm else []
            layers += [act()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, num_outputs))

    def forward(self, observations: Tensor, actions: Tensor | None = None) -> Tensor:
        """Return Q(s, ·), [N, A]; with actions Q(s, a), [N, 1]."""
        x = observations.to(next(self.parameters()).dtype)
        values: Tensor = self.layers(x if actions is None else torch.cat([x, actions], dim=1))
        return values
