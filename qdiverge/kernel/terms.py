"""Terms of the kernel: what one parameter block adds to K = Σ_b J_b J_bᵀ, kept in factored form."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Self

from qdiverge.kernel.gram import Gram


@dataclass(frozen=True)
class Term(ABC):
    """Rows of one parameter block's part of the kernel; R = n·A' rows for n samples.

    Attributes:
        block: The module (or the bare parameter) whose part this is.
        held: Names of the tensors that it holds, each with the samples first.
    """

    held: ClassVar[tuple[str, ...]]
    block: str

    @abstractmethod
    def add_gram(self, out: Tensor, other: "Term", gram: Gram) -> None:
        """Add this block's kernel between these rows and ``other``'s to ``out`` [R, S]."""

    @abstractmethod
    def diagonal(self) -> Tensor:
        """Return this block's kernel of each row with itself, [R]."""

    def parts(self) -> tuple[Tensor, ...]:
        """Return the tensors that it holds, each with the samples first."""
        return tuple(getattr(self, name) for name in self.held)

    def rebuilt(self, parts: Sequence[Tensor]) -> Self:
        """Return the same term of other samples."""
        changed: dict[str, Any] = dict(zip(self.held, parts, strict=True))
        return replace(self, **changed)

    def joined(self, others: Sequence["Term"]) -> Self:
        """Return the same term of these samples and then the others'."""
        if not others:
            return self
        columns = zip(self.parts(), *(other.parts() for other in others), strict=True)
        return self.rebuilt([torch.cat(column) for column in columns])

    def samples(self, rows: slice) -> Self:
        """Return the same term for some of the samples."""
        return self.rebuilt([part[rows] for part in self.parts()])


@dataclass(frozen=True)
class Explicit(Term):
    """K = F Fᵀ with the per-sample gradients F [n, A', p] held as they are."""

    held = ("features",)
    features: Tensor

    def add_gram(self, out: Tensor, other: Term, gram: Gram) -> None:
        """Add F F'ᵀ."""
        assert isinstance(other, Explicit)
        gram.add(out, self.features.flatten(0, 1), other.features.flatten(0, 1))

    def diagonal(self) -> Tensor:
        """Return Σ_p F²."""
        return self.features.square().sum(-1).flatten()
