"""Leading eigenvalues of a map, or of a period of it, from products with few vectors.

The vectors v, Av, A²v, … are made orthonormal, V (Arnoldi 1951); of a map with a frozen target also
Bv, ABv, …. The eigenvalues of VᵀAV with the largest modulus approach those of A first.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
Matrix = np.ndarray
_HELD = 3e-5  # of a vector that does not grow: the least share that the start must hold
_GROWS = 1e-4
_SAMPLES = 64  # of the updates of a period
_ROOM = 64  # vectors, at first


@dataclass(frozen=True, eq=False)
class Leading:
    """The eigenvalue of largest modulus that a subspace shows.

    Attributes:
        log_modulus: log |λ|, of the whole period.
        angle: arg λ.
        error: Of ``log_modulus``, to first order: condition · (what leaves the subspace) / |λ|.
        condition: ‖w‖‖y‖/|wᴴy| of λ.
        vector: y, complex [k], in the coordinates of the subspace.
    """

    log_modulus: float
    angle: float
    error: float
    condition: float
    vector: np.ndarray


def subspaces(
    products: Sequence[Product], start: Tensor, closed: float = 1e-9
) -> Iterator[tuple[Tensor, list[Matrix]]]:
    """Yield V and the matrices V'ᵀ(product)V of ever larger subspaces; end once one is invariant.

    V holds the k vectors whose products are known, V' ⊇ V also those products; a last row has the
    norms of what was dropped as rounding. Rows after the k-th say what leaves the subspace.

    Args:
        products: v ↦ Av, and others under which the subspace is to be closed.
        start: The first vector.
        closed: What part of a product outside the subspace is rounding.

    >>> A = torch.diag(torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64))
    >>> *_, (V, (H,)) = subspaces([A.mv], torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64))
    >>> len(V), sorted(np.linalg.eigvals(H[:2]).round(9).tolist())
    (2, [1.0, 2.0])
    """
    held = start.new_empty(_ROOM, len(start))  # the basis, row by row
    held[0] = start / start.norm()
    known, count = 0, 1
    columns: list[list[tuple[list[float], float]]] = [[] for _ in products]
    while known < count:
        for product, own in zip(products, columns, strict=True):
            image = product(held[known])
            size, basis = float(image.norm()), held[:count]
            coordinates = basis @ image
            image = image - coordinates @ basis
            again = basis @ image  # twice is enough (Kahan, Parlett)
            image = image - again @ basis
            left = float(image.norm())
            shares = (coordinates + again).tolist()
            is_new = left > closed * max(size, 1.0)
            if is_new:
                if count == len(held):
                    held = torch.cat([held, torch.empty_like(held)])
                held[count] = image / left
                count += 1
                shares.append(left)
            own.append((shares, 0.0 if is_new else left))
        known += 1
        yield held[:count], [_matrix(own, count) for own in columns]


def leading(matrices: Sequence[Matrix], period: int | None = None, noise: float = 0.0) -> Leading:
    """Return the leading eigenvalue of A, or of A^C + Σ_{k<C} Aᵏ B where a period C is given.

    Rounding lets directions in that the start cannot reach, which stay or decay; what the start
    holds of them is small, |w₁| of the left vector with wᴴy = 1, and they are passed over.

    Args:
        matrices: V'ᵀAV, and V'ᵀBV with a period, as :func:`subspaces` makes them.
        period: C.
        noise: The relative error of a product.

    >>> found = leading([np.array([[2.0, 1.0], [0.0, 0.5]])])
    >>> round(float(np.exp(found.log_modulus)), 9), found.error
    (2.0, 0.0)
    """
    k = matrices[0].shape[1]
    tops, leaks = [M[:k] for M in matrices], [M[k:] for M in matrices]
    log_scale = 0.0
    whole = tops[0]
    if period is not None:
        joint = np.block([tops, [np.zeros((k, k)), np.eye(k)]])
        joint, log_scale = _power(joint, period)
        whole = joint[:k, :k] + joint[:k, k:]
    λ, Y = np.linalg.eig(whole)
    W = _inverse(Y)  # rows: left vectors with wᴴy = 1
    share = np.abs(W[:, 0])
    is_held = (share >= min(_HELD, share.max())) | (np.abs(λ) * np.exp(log_scale) > 1 + _GROWS)
    first = int(np.where(is_held, np.abs(λ), -1.0).argmax())
    y, modulus = Y[:, first], abs(λ[first])
    condition = float(np.linalg.norm(W[first]))
    if modulus == 0:
        return Leading(-np.inf, 0.0, 0.0, condition, y)
    if period is None:
        lost = np.linalg.norm(leaks[0] @ y) + noise * np.linalg.norm(tops[0] @ y)
    else:
        lost = _lost_in_a_period(tops, leaks, y, period, noise) * np.exp(-log_scale)
    return Leading(
        log_modulus=float(np.log(modulus) + log_scale),
        angle=float(np.angle(λ[first])),
        error=float(condition * lost / modulus),
        condition=condition,
        vector=y,
    )


def combination(coefficients: Iterable[float], vectors: Sequence[Tensor] | Tensor) -> Tensor:
    """Return Σ_k c_k v_k of as many vectors as there are coefficients.

    >>> combination([2.0, 3.0], [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0])])
    tensor([5., 3.])
    """
    total = torch.zeros_like(vectors[0])
    for c, v in zip(coefficients, vectors, strict=False):
        total.add_(v, alpha=float(c))
    return total


def _inverse(Y: np.ndarray) -> np.ndarray:
    """Return Y⁻¹; of eigenvectors that fall together, the pseudoinverse."""
    try:
        return np.linalg.inv(Y)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(Y)


def _lost_in_a_period(
    tops: Sequence[Matrix], leaks: Sequence[Matrix], y: np.ndarray, period: int, noise: float
) -> float:
    """Return Σ_{k<C} ‖what leaves the subspace at update k‖, from a sample of the updates."""
    (A, B), k = tops, len(y)
    joint, at = np.block([[A, B], [np.zeros_like(A), np.eye(k)]]), np.concatenate([y, y])
    moments = np.unique(np.linspace(0, period - 1, _SAMPLES).astype(int))
    lost = []
    for moment in moments:
        power, log_scale = _power(joint, int(moment))
        now = np.exp(log_scale) * (power @ at)
        out = np.linalg.norm(leaks[0] @ now[:k] + leaks[1] @ y)
        lost.append(out + noise * np.linalg.norm(joint @ now))
    return float(np.mean(lost) * period)


def _power(M: Matrix, exponent: int) -> tuple[Matrix, float]:
    """Return Mᶜ / s and log s, without overflow."""
    result, log_scale = np.eye(len(M)), 0.0
    for bit in bin(exponent)[2:]:
        result, log_scale = result @ result, 2 * log_scale
        if bit == "1":
            result = result @ M
        size = np.abs(result).max()
        result, log_scale = result / size, log_scale + np.log(size)
    return result, float(log_scale)


def _matrix(columns: list[tuple[list[float], float]], rows: int) -> Matrix:
    M = np.zeros((rows + 1, len(columns)))
    for index, (coordinates, dropped) in enumerate(columns):
        M[: len(coordinates), index] = coordinates
        M[-1, index] = dropped
    return M
