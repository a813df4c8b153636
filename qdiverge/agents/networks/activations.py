"""What stands between two layers, by name."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Activation = Literal["relu", "tanh", "sin"]


class Sine(nn.Module):
    """y = sin x.

    >>> Sine()(torch.tensor([0.0, torch.pi / 2]))
    tensor([0., 1.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to every entry."""
        return torch.sin(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sin": Sine}
"""The three that Achiam et al. (2019) compare."""
