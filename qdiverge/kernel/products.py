"""Terms that never form a weight's gradient: K is an elementwise product of two smaller kernels."""

from dataclasses import dataclass

from torch import Tensor

from qdiverge.kernel.gram import Gram
from qdiverge.kernel.terms import Term

TILE_ELEMENTS = 1 << 23  # of a temporary over positions or outputs


@dataclass(frozen=True)
class Product(Term):
    """A linear layer used once: K = (A Aᵀ + 1) ∘ (G Gᵀ), the 1 where it has a bias.

    Attributes:
        inputs: A [n, I].
        grads: G [n, A', O].
        has_bias: Whether the bias is part of the block.
    """

    held = ("inputs", "grads")
    inputs: Tensor
    grads: Tensor
    has_bias: bool

    def add_gram(self, out: Tensor, other: Term, gram: Gram) -> None:
        """Add (A A'ᵀ + 1) ∘ (G G'ᵀ)."""
        assert isinstance(other, Product)
        inner = gram.product(self.inputs, other.inputs)  # [n, m]
        if self.has_bias:
            inner += 1
        outer = gram.product(self.grads.flatten(0, 1), other.grads.flatten(0, 1))  # [R, S]
        by_sample(out, self.grads, other.grads).addcmul_(
            inner[:, None, :, None], by_sample(outer, self.grads, other.grads)
        )

    def diagonal(self) -> Tensor:
        """Return (‖a‖² + 1) ‖g‖²."""
        inner = self.inputs.square().sum(-1, keepdim=True) + float(self.has_bias)
        return (inner * self.grads.square().sum(-1)).flatten()


@dataclass(frozen=True)
class ScaledProduct(Term):
    """A linear layer used once, with a preconditioner M [O, I]: K = Σ_o (A M_o Aᵀ) ∘ (g_o g_oᵀ)."""

    held = ("inputs", "grads")
    inputs: Tensor
    grads: Tensor
    scale: Tensor

    def add_gram(self, out: Tensor, other: Term, gram: Gram) -> None:
        """Add Σ_o (A M_o A'ᵀ) ∘ (g_o g'_oᵀ), some outputs o at a time."""
        assert isinstance(other, ScaledProduct)
        n, m = len(self.inputs), len(other.inputs)
        step = max(1, TILE_ELEMENTS // (n * (m + self.inputs.shape[1])))
        view = by_sample(out, self.grads, other.grads)
        for start in range(0, len(self.scale), step):
            some = slice(start, start + step)
            left = (self.inputs * self.scale[some, None]).flatten(0, 1)
            inner = gram.product(left, other.inputs).view(-1, n, m)  # [o, n, m]
            for a in range(self.grads.shape[1]):
                by_output = inner * self.grads[:, a, some].T[:, :, None]
                for b in range(other.grads.shape[1]):
                    right = other.grads[:, b, some].T[:, None]
                    view[:, a, :, b] += (by_output * right).sum(0)

    def diagonal(self) -> Tensor:
        """Return Σ_oi M_oi g_o² a_i²."""
        return (
            (self.grads.square() * (self.inputs.square() @ self.scale.T)[:, None]).sum(-1).flatten()
        )


@dataclass(frozen=True)
class Positions(Term):
    """A linear layer over positions t, all uses together: K = Σ_ts (a_t·a'_s + 1)(g_t·g'_s).

    Attributes:
        inputs: A [n, T, I]; or for an embedding the ids [n, T], with 1[id_t = id'_s] for a_t·a'_s.
        grads: G [n, A', T, O].
        has_bias: Whether the bias is part of the block.
    """

    held = ("inputs", "grads")
    inputs: Tensor
    grads: Tensor
    has_bias: bool

    def add_gram(self, out: Tensor, other: Term, gram: Gram) -> None:
        """Add Σ_ts (a_t·a'_s + 1)(g_t·g'_s), some of the rows at a time."""
        assert isinstance(other, Positions)
        _, num_actions, positions, width = self.grads.shape
        others = other.grads.shape[:3]
        step = max(1, TILE_ELEMENTS // (num_actions * positions * others.numel()))
        right = other.grads.reshape(-1, width)
        view = by_sample(out, self.grads, other.grads)
        for i in range(0, len(self.inputs), step):
            grads = self.grads[i : i + step]
            outer = gram.product(grads.reshape(-1, width), right).view(*grads.shape[:3], *others)
            inner = self._inner(self.inputs[i : i + step], other.inputs, gram)  # [n, T, m, S]
            view[i : i + step] += (outer * inner[:, None, :, :, None]).sum((2, 5))

    def _inner(self, left: Tensor, right: Tensor, gram: Gram) -> Tensor:
        if left.dim() == 2:
            return (left[:, :, None, None] == right).to(self.grads.dtype)
        inner = gram.product(left.flatten(0, 1), right.flatten(0, 1))
        if self.has_bias:
            inner += 1
        return inner.view(*left.shape[:2], *right.shape[:2])

    def diagonal(self) -> Tensor:
        """Return the same sum of each row with itself."""
        outer = self.grads @ self.grads.mT  # [n, A', T, T]
        if self.inputs.dim() == 2:
            inner = (self.inputs[:, :, None] == self.inputs[:, None]).to(outer.dtype)
        else:
            inner = self.inputs @ self.inputs.mT + float(self.has_bias)
        return (outer * inner[:, None]).sum((2, 3)).flatten()


def by_sample(matrix: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Return a view of [R, S] as [n, A', m, A'']."""
    return matrix.unflatten(1, right.shape[:2]).unflatten(0, left.shape[:2])
