"""A short image of long vectors that keeps lengths and angles, so that these cost next to nothing.

    S x,  x [n] → [s],  ‖Sx‖ ≈ ‖x‖ and Sx·Sy ≈ x·y for all x, y of a subspace of some 60 dimensions

Each entry is given a random sign and added to bucket i mod p, for two primes p (as Charikar, Chen &
Farach-Colton 2002). Made orthonormal under S, a basis is well conditioned
(Balabanov & Grigori 2022).
"""

import torch
from torch import Tensor

_PRIMES = 509, 521
SHORT = sum(_PRIMES)


class Sketch:
    """S of vectors of one length; of vectors no longer than the image, the vectors themselves.

    Args:
        like: A vector of the length, dtype and device.
        seed: Of the signs.

    Attributes:
        is_exact: Whether S is the identity.

    >>> Sketch(torch.ones(3), seed=0)(torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 2., 3.])
    >>> x = torch.ones(5000)
    >>> image = Sketch(x, seed=0)(x)
    >>> len(image), bool((image.square().sum() / 5000 - 1).abs() < 0.2)
    (1030, True)
    """

    def __init__(self, like: Tensor, seed: int) -> None:
        self.is_exact = len(like) <= SHORT
        if not self.is_exact:
            generator = torch.Generator().manual_seed(seed)
            coins = torch.randint(2, (len(like),), generator=generator, dtype=torch.int8)
            self._signs = (2 * coins - 1).to(like) * len(_PRIMES) ** -0.5
            self._signed = torch.empty_like(like)

    def __call__(self, x: Tensor) -> Tensor:
        """Return S x, [s]."""
        if self.is_exact:
            return x
        signed = torch.mul(self._signs, x, out=self._signed)
        parts = []
        for p in _PRIMES:
            rows = len(x) // p
            parts.append(signed[: rows * p].view(rows, p).sum(0))
            parts[-1][: len(x) - rows * p] += signed[rows * p :]
        return torch.cat(parts)
