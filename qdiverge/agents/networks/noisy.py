"""Noisy networks (Fortunato et al. 2018, arXiv:1706.10295): exploration by the weights.

Differs from the paper:

1. Noise is drawn when it is asked for, before an update, and never by a forward pass.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

INITIAL_SCALE = 0.5  # σ₀, the paper's for factorised noise


class NoisyLinear(nn.Linear):
    """A linear layer whose weights are noisy, with factorised Gaussian noise.

        y = (μ_w + σ_w ∘ ε_out ε_inᵀ) x + μ_b + σ_b ∘ ε_out,  ε = sign(z) √|z|,  z ~ N(0, 1)

    The noise is a buffer, zero at first and the same until :func:`resample_noise`: an additional
    forward pass changes nothing and draws from no generator.

    Args:
        in_features: Width of x.
        out_features: Width of y.

    >>> layer = NoisyLinear(1, 1)
    >>> with torch.no_grad():
    ...     for p, value in zip(layer.parameters(), (2.0, 1.0, 0.5, 0.25)): _ = p.fill_(value)
    >>> layer(torch.ones(1, 1)).item()  # without noise 2 + 1
    3.0
    >>> _ = layer.noise_in.fill_(2.0), layer.noise_out.fill_(1.0)
    >>> layer(torch.ones(1, 1)).item()  # 2 + .5 · 2 · 1 + 1 + .25 · 1
    4.25
    """

    noise_in: Tensor
    noise_out: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        scale = INITIAL_SCALE / math.sqrt(in_features)
        self.weight_scale = nn.Parameter(torch.full((out_features, in_features), scale))
        self.bias_scale = nn.Parameter(torch.full((out_features,), scale))
        self.register_buffer("noise_in", torch.zeros(in_features))
        self.register_buffer("noise_out", torch.zeros(out_features))

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer under the present noise.

        Args:
            x: [N, in_features].

        Returns:
            [N, out_features].
        """
        noise = torch.outer(self.noise_out, self.noise_in)
        weight = self.weight + self.weight_scale * noise
        return functional.linear(x, weight, self.bias + self.bias_scale * self.noise_out)

    @torch.no_grad()
    def reset_noise(self, generator: torch.Generator | None = None) -> None:
        """Draw new noise, from ``generator`` or else the global one."""
        for noise in (self.noise_in, self.noise_out):
            z = torch.randn(noise.shape, generator=generator, dtype=noise.dtype)
            noise.copy_(z.sign() * z.abs().sqrt())


def resample_noise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw new noise for every noisy layer of ``network``.

    Args:
        network: Changed in its buffers only.
        generator: Drawn from; the global one is left alone.
    """
    for module in network.modules():
        if isinstance(module, NoisyLinear):
            module.reset_noise(generator)


@torch.no_grad()
def still_noise(network: nn.Module) -> None:
    """Take the noise out of every noisy layer of ``network``, so that it is its mean, μ.

    Args:
        network: Changed in its buffers only.
    """
    for module in network.modules():
        if isinstance(module, NoisyLinear):
            module.noise_in.zero_()
            module.noise_out.zero_()
