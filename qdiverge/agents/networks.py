"""Q-networks: observations in, one value per action out, Q(s, ·) [N, A]."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from qdiverge.agents.heads import head, hidden
from qdiverge.errors import InvalidValueError


class NatureNetwork(nn.Module):
    """The convolutional network of Mnih et al. (2015), Methods: Model architecture.

        84 x 84 x 4 → 32 of 8x8, stride 4 → 64 of 4x4, stride 2 → 64 of 3x3, stride 1 → 512 → A

    with a rectifier after every layer but the last. Weights start as PyTorch starts them.

    Args:
        num_actions: A.
        dueling: 512 → A becomes two streams 3136 → 512 → 1 and 3136 → 512 → A, see Dueling.
        layer_norm: Normalise all units of a layer together before each rectifier.
        noisy: The layers after the convolutions are noisy, see NoisyLinear.

    >>> network = NatureNetwork(num_actions=6)
    >>> sum(weight.numel() for weight in network.parameters())
    1687206
    >>> network(torch.zeros(2, 4, 84, 84, dtype=torch.uint8)).shape
    torch.Size([2, 6])
    """

    def __init__(
        self,
        num_actions: int,
        *,
        dueling: bool = False,
        layer_norm: bool = False,
        noisy: bool = False,
    ) -> None:
        super().__init__()
        _check_width("num_actions", num_actions)
        self.layers = nn.Sequential(
            nn.Conv2d(4, 32, kernel_size=8, stride=4),  # [N, 32, 20, 20]
            *hidden(32, layer_norm, is_image=True),
            nn.Conv2d(32, 64, kernel_size=4, stride=2),  # [N, 64, 9, 9]
            *hidden(64, layer_norm, is_image=True),
            nn.Conv2d(64, 64, kernel_size=3, stride=1),  # [N, 64, 7, 7]
            *hidden(64, layer_norm, is_image=True),
            nn.Flatten(),  # [N, 3136]
            *head([64 * 7 * 7, 512, num_actions], dueling, layer_norm, noisy),
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Q(s, ·) of each stack of frames.

        Args:
            observations: [N, 4, 84, 84], pixels 0 to 255 of any dtype.

        Returns:
            [N, A].
        """
        dtype = next(self.parameters()).dtype
        q_values: Tensor = self.layers(observations.to(dtype) / 255)
        return q_values


class MLP(nn.Module):
    """A Q-network of linear layers with rectifiers between them, for vector observations.

    Args:
        sizes: Width of the observation, of each hidden layer, and the number of actions.
        dueling: The last hidden layer and the output become two streams, see Dueling.
        layer_norm: Normalise before each rectifier.
        noisy: The last hidden layer and the output are noisy, see NoisyLinear.

    >>> network = MLP([4, 120, 84, 2])
    >>> sum(weight.numel() for weight in network.parameters())  # 4·120+120 + 120·84+84 + 84·2+2
    10934
    >>> network(torch.zeros(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        dueling: bool = False,
        layer_norm: bool = False,
        noisy: bool = False,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise InvalidValueError(
                "sizes must name at least the observation's width and the number of actions",
                got=list(sizes),
            )
        for width in sizes:
            _check_width("every size", width)
        layers: list[nn.Module] = []
        for width, next_width in pairwise(sizes[:-2]):
            layers += [nn.Linear(width, next_width), *hidden(next_width, layer_norm)]
        self.layers = nn.Sequential(*layers, *head(sizes[-3:], dueling, layer_norm, noisy))

    def forward(self, observations: Tensor) -> Tensor:
        """Q(s, ·) of each observation.

        Args:
            observations: [N, width] of any real dtype.

        Returns:
            [N, A].
        """
        dtype = next(self.parameters()).dtype
        q_values: Tensor = self.layers(observations.to(dtype))
        return q_values


def channels_last(network: nn.Module) -> nn.Module:
    """Store the convolutions' weights channels last, about a tenth faster on a CPU.

    Args:
        network: Changed in place; its values stay the same.

    Returns:
        The same network.

    >>> network = channels_last(NatureNetwork(num_actions=6))
    >>> network.layers[0].weight.stride()  # [32, 4, 8, 8]
    (256, 1, 32, 4)
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def _check_width(name: str, width: int) -> None:
    if not isinstance(width, int) or width < 1:
        raise InvalidValueError(f"{name} must be an integer of at least 1", got=width)
