"""Terms of the kernel: what one parameter block adds to K = Σ_b J_b J_bᵀ, kept in factored form."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Term(ABC):
    """Rows of one parameter block's part of the kernel; R = n·A' rows for n samples.

    Attributes:
        block: The module (or the bare parameter) whose part this is.
    """

    block: str

    @abstractmethod
    def add_gram(self, out: Tensor, other: Term) -> None:
        """Add this block's kernel between these rows and ``other``'s to ``out`` [R, S]."""

    @abstractmethod
    def diagonal(self) -> Tensor:
        """Return this block's kernel of each row with itself, [R]."""

    @abstractmethod
    def samples(self, rows: slice) -> Term:
        """Return the same term for some of the samples."""

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """Bytes that are held."""


@dataclass(frozen=True)
class Explicit(Term):
    """K = F Fᵀ with the per-sample gradients F [n, A', p] held as they are."""

    features: Tensor

    def add_gram(self, out: Tensor, other: Term) -> None:
        """Add F F'ᵀ."""
        assert isinstance(other, Explicit)
        out.addmm_(self.features.flatten(0, 1), other.features.flatten(0, 1).T)

    def diagonal(self) -> Tensor:
        """Return Σ_p F²."""
        return self.features.square().sum(-1).flatten()

    def samples(self, rows: slice) -> Explicit:
        """Return some samples' features."""
        return Explicit(self.block, self.features[rows])

    @property
    def num_bytes(self) -> int:
        """Bytes of the features."""
        return num_bytes(self.features)


def num_bytes(*tensors: Tensor) -> int:
    """Return the bytes of the tensors' elements."""
    return sum(t.numel() * t.element_size() for t in tensors)
