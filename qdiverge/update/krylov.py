"""Leading eigenvalues of a map, or of a period of it, from products with few vectors.

The vectors v, Av, A²v, … are made orthonormal, V (Arnoldi 1951); of a map with a frozen target also
Bv, ABv, …. The eigenvalues of VᵀAV with the largest modulus approach those of A first. Lengths and
angles are those of a sketch S, and V is kept in float32 where S is short: then orthonormal vectors
cost one reading of V a product, and the coordinates are made exact by SV = QR.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdiverge.update.sketch import Sketch

Product = Callable[[Tensor], Tensor]
Matrix = np.ndarray
_HELD = 3e-5  # of a vector that does not grow: the least share that the start must hold
_GROWS = 1e-4
_SAMPLES = 64  # of the updates of a period
_ROOM = 64  # vectors, at first
_CANCELS = 1e-2  # what is left of a product: less is sketched again


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


@dataclass(frozen=True, eq=False)
class Subspace:
    """The span of V', with what the products make of its first k vectors.

    Coordinates are those of Q, V' = QR, whose columns are orthonormal under the sketch.

    Attributes:
        basis: V', a vector a row, [count, n].
        sketches: S of them, [count, s].
        images: S of each product of the first k, [k, s] each.
    """

    basis: Tensor
    sketches: Tensor
    images: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.images[0])

    @property
    def is_invariant(self) -> bool:
        """Return whether the products of all vectors are known, and lie in their span."""
        return len(self) == len(self.basis)

    def matrices(self) -> list[Matrix]:
        """Return Qᵀ(product)Q_k of each; rows after the k-th say what leaves the first k.

        A last row has the norms of what is in no vector: it was dropped as rounding.
        """
        Q, R = np.linalg.qr(self.sketches.T.double().cpu().numpy())
        matrices = []
        for image in self.images:
            columns = np.linalg.solve(R[: len(self), : len(self)].T, image.double().cpu().numpy()).T
            inside = Q.T @ columns
            dropped = np.linalg.norm(columns - Q @ inside, axis=0)
            matrices.append(np.vstack([inside, dropped]))
        return matrices

    def vectors(self, coordinates: np.ndarray) -> Tensor:
        """Return Σ_j c_j q_j of each row of [m, ≤ count] real coordinates: [m, n]."""
        length = coordinates.shape[1]
        _, R = np.linalg.qr(self.sketches[:length].T.double().cpu().numpy())
        coefficients = np.linalg.solve(R, coordinates.T).T
        return torch.as_tensor(coefficients).to(self.basis) @ self.basis[:length]


def subspaces(
    products: Sequence[Product], start: Tensor, sketch: Sketch, closed: float = 1e-9
) -> Iterator[Subspace]:
    """Yield ever larger subspaces, one more vector multiplied each time; end once one is invariant.

    Args:
        products: v ↦ Av, and others under which the subspace is to be closed.
        start: The first vector.
        sketch: S, of vectors as long.
        closed: What part of a product outside the subspace is rounding.

    >>> A = torch.diag(torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64))
    >>> start = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    >>> *_, space = subspaces([A.mv], start, Sketch(start, seed=0))
    >>> (H,) = space.matrices()
    >>> len(space), sorted(np.linalg.eigvals(H[:2]).round(9).tolist())
    (2, [1.0, 2.0])
    """
    image = sketch(start)
    dtype = start.dtype if sketch.is_exact else torch.float32
    held = torch.empty(_ROOM, len(start), dtype=dtype, device=start.device)
    short = image.new_empty(_ROOM, len(image))  # S of each
    images = [torch.empty_like(short) for _ in products]
    room = torch.empty_like(held[0])
    held[0] = start / image.norm()
    short[0] = image / image.norm()
    known, count = 0, 1
    while known < count:
        if count + len(products) > len(held):
            held, short, *images = (_twice(rows) for rows in (held, short, *images))
        for product, own in zip(products, images, strict=True):
            vector = product(held[known])
            own[known] = sketch(vector)
            basis, whole = short[:count], float(own[known].norm())
            shares = basis @ own[known]
            shares += basis @ (own[known] - shares @ basis)  # twice is enough (Kahan, Parlett)
            vector -= torch.mv(held[:count].T, shares.to(dtype), out=room)
            left = own[known] - shares @ basis
            if float(left.norm()) < _CANCELS * whole:
                left = sketch(vector).clone()
            size = float(left.norm())
            if size > closed * max(whole, 1.0):
                held[count].copy_(vector).div_(size)
                short[count] = left / size
                count += 1
        known += 1
        yield Subspace(held[:count], short[:count], tuple(own[:known] for own in images))


def leading(matrices: Sequence[Matrix], period: int | None = None, noise: float = 0.0) -> Leading:
    """Return the leading eigenvalue of A, or of A^C + Σ_{k<C} Aᵏ B where a period C is given.

    Rounding lets directions in that the start cannot reach, which stay or decay; what the start
    holds of them is small, |w₁| of the left vector with wᴴy = 1, and they are passed over.

    Args:
        matrices: QᵀAQ, and QᵀBQ with a period, of a :class:`Subspace`.
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


def _twice(rows: Tensor) -> Tensor:
    return torch.cat([rows, torch.empty_like(rows)])


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
