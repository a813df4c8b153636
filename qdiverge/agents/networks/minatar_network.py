"""The small convolutional Q-network of MinAtar, for grids of objects."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from qdiverge.agents.networks.heads import check_head, head, hidden, scaled
from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError

KERNEL = 3  # cells, each side


class MinAtarNetwork(nn.Module):
    """The network of Young & Tian (2019), section 4 and appendix A, arXiv:1903.03176.

        C x 10 x 10 → 16 of 3x3, stride 1 → 128 → A

    with a rectifier after every layer but the last. Weights start as PyTorch starts them.

    Args:
        shape: Channels, height and width of an observation.
        num_actions: A.
        dueling: 128 → A becomes two streams 1024 → 128 → 1 and 1024 → 128 → A, see Dueling.
        layer_norm: Normalise all units of a layer together before each rectifier.
        noisy: The layers after the convolution are noisy, see NoisyLinear.
        num_atoms: Outputs for each action; several are the logits for CategoricalQ.
        width_factor: Times 16 channels and 128 units.

    >>> network = MinAtarNetwork((4, 10, 10), num_actions=3)
    >>> sum(weight.numel() for weight in network.parameters())  # 592 + 1024·128+128 + 128·3+3
    132179
    >>> import torch
    >>> network(torch.zeros(2, 4, 10, 10, dtype=torch.bool)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        num_actions: int,
        *,
        dueling: bool = False,
        layer_norm: bool = False,
        noisy: bool = False,
        num_atoms: int = 1,
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        num_actions = check_integer("num_actions", num_actions, 1)
        num_atoms = check_head(num_atoms, dueling=dueling, layer_norm=layer_norm, noisy=noisy)
        if not isinstance(shape, Sequence | np.ndarray) or len(shape) != 3:
            raise InvalidValueError("shape must be [C, H, W]", got=shape)
        channels, height, width = (
            check_integer(f"shape[{axis}]", size, KERNEL if axis else 1)
            for axis, size in enumerate(shape)
        )
        filters, units = scaled(16, width_factor), scaled(128, width_factor)
        features = filters * (height - KERNEL + 1) * (width - KERNEL + 1)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, filters, kernel_size=KERNEL),  # [N, 16, 8, 8]
            *hidden(filters, layer_norm, is_image=True),
            nn.Flatten(),  # [N, 1024]
            *head([features, units, num_actions], dueling, layer_norm, noisy, num_atoms),
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q(s, ·) of each grid.

        Args:
            observations: [N, C, 10, 10], of any real dtype.

        Returns:
            [N, A], or [N, A · num_atoms].
        """
        dtype = next(self.parameters()).dtype
        q_values: Tensor = self.layers(observations.to(dtype))
        return q_values
