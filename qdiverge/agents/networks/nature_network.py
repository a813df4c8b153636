"""The convolutional Q-network of the Nature paper, for stacks of Atari frames."""

import torch
from torch import Tensor, nn

from qdiverge.agents.networks.heads import check_head, head, hidden, scaled
from qdiverge.checks import check_integer
from qdiverge.thing_checks import check_instance


class NatureNetwork(nn.Module):
    """The convolutional network of Mnih et al. (2015), Methods: Model architecture.

        84 x 84 x 4 → 32 of 8x8, stride 4 → 64 of 4x4, stride 2 → 64 of 3x3, stride 1 → 512 → A

    with a rectifier after every layer but the last. Weights start as PyTorch starts them.

    Args:
        num_actions: A.
        dueling: 512 → A becomes two streams 3136 → 512 → 1 and 3136 → 512 → A, see Dueling.
        layer_norm: Normalise all units of a layer together before each rectifier.
        noisy: The layers after the convolutions are noisy, see NoisyLinear.
        num_atoms: Outputs for each action; several are the logits for CategoricalQ.
        width_factor: Times every number of channels and the 512 units.

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
        num_atoms: int = 1,
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        num_actions = check_integer("num_actions", num_actions, 1)
        num_atoms = check_head(num_atoms, dueling=dueling, layer_norm=layer_norm, noisy=noisy)
        self.is_channels_last = False  # see channels_last
        first, later, units = (scaled(width, width_factor) for width in (32, 64, 512))
        self.layers = nn.Sequential(
            nn.Conv2d(4, first, kernel_size=8, stride=4),  # [N, 32, 20, 20]
            *hidden(first, layer_norm, is_image=True),
            nn.Conv2d(first, later, kernel_size=4, stride=2),  # [N, 64, 9, 9]
            *hidden(later, layer_norm, is_image=True),
            nn.Conv2d(later, later, kernel_size=3, stride=1),  # [N, 64, 7, 7]
            *hidden(later, layer_norm, is_image=True),
            nn.Flatten(),  # [N, 3136]
            *head([later * 7 * 7, units, num_actions], dueling, layer_norm, noisy, num_atoms),
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return Q(s, ·) of each stack of frames.

        Args:
            observations: [N, 4, 84, 84], pixels 0 to 255 of any dtype.

        Returns:
            [N, A], or [N, A · num_atoms].
        """
        dtype = next(self.parameters()).dtype
        if self.is_channels_last and observations.dtype == torch.uint8:
            pixels = _channels_last_pixels(observations, dtype)
        else:
            pixels = observations.to(dtype) / 255
        q_values: Tensor = self.layers(pixels)
        return q_values


def _channels_last_pixels(frames: Tensor, dtype: torch.dtype) -> Tensor:
    """Return pixels 0 to 1 of uint8 [N, 4, H, W], moved channels last while each is still one byte.

    Where autocast would round them to bfloat16 next, they are bfloat16 at once, the same numbers.
    """
    kind = frames.device.type
    if dtype == torch.float32 and torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    return torch.stack(frames.unbind(1), dim=-1).to(dtype).div_(255).permute(0, 3, 1, 2)


def channels_last(network: nn.Module) -> nn.Module:
    """Store the convolutions' weights channels last, about a seventh faster on a CPU.

    Args:
        network: Changed in place; its values stay the same.

    Returns:
        The same network.

    Raises:
        InvalidTypeError: it is none.

    >>> network = channels_last(NatureNetwork(num_actions=6))
    >>> network.layers[0].weight.stride()  # [32, 4, 8, 8]
    (256, 1, 32, 4)
    """
    for module in check_instance("network", network, nn.Module).modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
        elif isinstance(module, NatureNetwork):
            module.is_channels_last = True
    return network
