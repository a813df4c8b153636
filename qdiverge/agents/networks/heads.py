"""The end of a Q-network: one stream or two, with or without layer norm and noise."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from qdiverge.agents.networks.activations import ACTIVATIONS, Activation
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.checks import check_integer, check_positive, check_switch


class Dueling(nn.Module):
    """Two streams from the same features: Q(s, a) = V(s) + A(s, a) − mean_a' A(s, a').

    Source: Wang et al. (2016), arXiv:1511.06581, equation 9. Departure: gradients are neither
    rescaled by 1/√2 where the streams meet nor clipped. Where an action has several outputs (the
    logits of a distribution), the equation holds for each of them (Hessel et al. 2018).

    Args:
        value: Gives V, [N, num_atoms].
        advantage: Gives A, [N, A · num_atoms], action by action.
        num_atoms: Outputs for each action.

    >>> import torch
    >>> streams = Dueling(nn.Linear(1, 1), nn.Linear(1, 3))
    >>> with torch.no_grad():
    ...     for weight in streams.parameters(): _ = weight.zero_()
    ...     _ = streams.value.bias.fill_(10.0)
    ...     _ = streams.advantage.bias.copy_(torch.tensor([1.0, 2.0, 6.0]))
    >>> streams(torch.zeros(1, 1)).tolist()  # 10 + A − 3
    [[8.0, 9.0, 13.0]]
    """

    def __init__(self, value: nn.Module, advantage: nn.Module, num_atoms: int = 1) -> None:
        super().__init__()
        self.value = value
        self.advantage = advantage
        self.num_atoms = num_atoms

    def forward(self, features: Tensor) -> Tensor:
        """Return Q of the features.

        Args:
            features: [N, F].

        Returns:
            [N, A · num_atoms].
        """
        V: Tensor = self.value(features)
        A: Tensor = self.advantage(features)
        if self.num_atoms == 1:
            return V + A - A.mean(dim=1, keepdim=True)
        A = A.unflatten(1, (-1, self.num_atoms))
        return (V[:, None] + A - A.mean(dim=1, keepdim=True)).flatten(1)


def hidden(
    width: int, layer_norm: bool, *, is_image: bool = False, activation: Activation = "relu"
) -> list[nn.Module]:
    """Return what follows a hidden layer; of images, channels and places are normalised as one."""
    if not layer_norm:
        return [ACTIVATIONS[activation]()]
    norm = nn.GroupNorm(1, width) if is_image else nn.LayerNorm(width)
    return [norm, ACTIVATIONS[activation]()]


def check_head(num_atoms: int, **switches: bool) -> int:
    """Return the number of atoms, where it is one and the switches are switches.

    Raises:
        InvalidValueError: one of them is not; nothing was drawn yet.
    """
    for name, value in switches.items():
        check_switch(name, value)
    return check_integer("num_atoms", num_atoms, 1)


def head(
    sizes: Sequence[int],
    dueling: bool,
    layer_norm: bool,
    noisy: bool,
    num_atoms: int = 1,
    activation: Activation = "relu",
) -> list[nn.Module]:
    """Make at most one hidden layer and the output; as two streams where ``dueling``."""
    sizes = [*sizes[:-1], sizes[-1] * num_atoms]
    if not dueling:
        return _stream(sizes, layer_norm, noisy, activation)
    value = nn.Sequential(*_stream([*sizes[:-1], num_atoms], layer_norm, noisy, activation))
    advantage = nn.Sequential(*_stream(sizes, layer_norm, noisy, activation))
    return [Dueling(value, advantage, num_atoms)]


def _stream(
    sizes: Sequence[int], layer_norm: bool, noisy: bool, activation: Activation
) -> list[nn.Module]:
    linear = NoisyLinear if noisy else nn.Linear
    layers: list[nn.Module] = []
    for width, next_width in pairwise(sizes[:-1]):
        layers += [
            linear(width, next_width),
            *hidden(next_width, layer_norm, activation=activation),
        ]
    return [*layers, linear(sizes[-2], sizes[-1])]


def scaled(width: int, factor: float) -> int:
    """Return a hidden width times a factor, at least 1.

    >>> scaled(128, 1.0), scaled(16, 0.25), scaled(1, 0.1)
    (128, 4, 1)
    """
    return max(1, round(width * check_positive("width_factor", factor)))
