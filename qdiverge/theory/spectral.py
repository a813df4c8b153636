"""The spectrum of the TD-error map at the current greedy actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.theory.arnoldi import DENSE_LIMIT, leading_eigenpairs

_EACH = 256  # eigenvalues, up to which the condition of each is known
_MANY = 60  # squarings: ρ(M) < 1 − 2^−60 is beyond float64 anyway


@dataclass(frozen=True, eq=False)
class Reachable:
    """Coordinates z of the parameter changes that the data can make: Δθ = Jᵀ W z.

    The columns of W = D^½ U, with U eigenvectors of D^½KD^½, span what moves K or K'. The others
    (more pairs than parameters, repeated states, ρ_i = 0) keep their TD error for ever: they add
    eigenvalue 1 to I + αAD, and nothing to the parameters' dynamics.
    """

    basis: Tensor  # W [N, r]
    rates: Tensor  # λ [r]: Wᵀ K W = Λ = diag λ
    ahead: Tensor  # Λ' = Wᵀ K' W [r, r]
    num_unreachable: int  # N − r
    has_loose_directions: bool  # K' moves where K does not: K'K⁻¹ does not exist


@dataclass(frozen=True, eq=False)
class Modes:
    """Eigenvalues ν of a step's increment, so that the step has eigenvalues 1 + ν."""

    eigenvalues: Tensor  # complex [r]
    vectors: Tensor  # complex [r, r], unit columns
    conditions: Tensor  # [r] ‖w‖‖v‖/|wᴴv|; of a large map that of the dominant one, others NaN
    is_neutral: Tensor  # bool [r]: |ν| within rounding of 0
    resolution: float  # change of a well-conditioned eigenvalue by rounding
    increment: Tensor  # [r, r] the matrix itself
    is_complete: bool = True  # every eigenvalue, not the leading ones alone

    @property
    def radius(self) -> float:
        """Return the largest |1 + ν|, neutral modes left out; 1.0 where nothing moves."""
        moving = self.eigenvalues[~self.is_neutral]
        return float((1 + moving).abs().max()) if len(moving) else 1.0

    @property
    def dominant(self) -> int:
        """Return the index of the largest |1 + ν|."""
        return int((1 + self.eigenvalues).abs().argmax())


def reachable_directions(K: Tensor, successors: Tensor, rho: Tensor, eps: float) -> Reachable:
    """Split off the directions that neither K nor K' moves, from one symmetric eigensystem.

    Λ' − Λ has the nonzero spectrum of AD exactly, since A D^½ vanishes on what is left out.

    Args:
        K: kernel, float64 ``[N, N]``.
        successors: K' at the greedy actions ``[N, N]``.
        rho: sampling weights ``[N]``.
        eps: the machine epsilon that the kernels' entries were computed in.

    >>> K = torch.ones(2, 2, dtype=torch.float64)  # one parameter, two equal states
    >>> rho = torch.tensor([0.5, 0.5], dtype=torch.float64)
    >>> reach = reachable_directions(K, 0 * K, rho, eps=2.2e-16)
    >>> reach.num_unreachable, round(float(reach.rates[0]), 12)
    (1, 1.0)
    """
    size, root = len(K), rho.sqrt()
    rates, U = _named(torch.linalg.eigh, root[:, None] * K * root)
    W = root[:, None] * U  # [N, N]
    tolerance = 10 * size**0.5 * eps
    if float(rates.min()) < -max(1e-5, tolerance) * float(rates.max().clamp(min=0)):
        raise InvalidValueError(
            "K must be positive semidefinite, as J M Jᵀ is",
            got=f"eigenvalues of D^½KD^½ from {float(rates.min()):.3g} to {float(rates.max()):.3g}",
            remedy="A difference of kernels, or a wrong preconditioner? Pass one kernel.",
        )
    is_null = rates <= tolerance * rates.max().clamp(min=0)
    loose, loose_rates = W[:, :0], rates[:0]
    if bool(is_null.any()):
        scale = torch.linalg.matrix_norm(K @ W) + torch.linalg.matrix_norm(successors @ W)
        _, σ, Vh = torch.linalg.svd((successors - K) @ W[:, is_null], full_matrices=False)
        kept = Vh[tolerance * scale < σ]  # [m, n]
        loose = W[:, is_null] @ kept.T
        loose_rates = (kept.square() @ rates[is_null]).clamp(min=0)
    basis = torch.cat([W[:, ~is_null], loose], dim=1)
    rates = torch.cat([rates[~is_null], loose_rates])
    ahead = basis.T @ successors @ basis
    return Reachable(basis, rates, ahead, size - basis.shape[1], loose.shape[1] > 0)


def modes(
    increment: Tensor, eps: float, scale: float = 0.0, dense_limit: int = DENSE_LIMIT
) -> Modes:
    """Return the eigenvalues ν of a step's increment, with conditions and what rounding hides.

    Args:
        increment: real ``[r, r]``.
        eps: machine epsilon of what the increment was computed from.
        scale: norm of what cancelled in it, where that is larger than its own.
        dense_limit: beyond it, the leading modes alone, by Arnoldi.

    >>> found = modes(torch.tensor([[-0.5, 3.0], [0.0, -0.2]], dtype=torch.float64), eps=2.2e-16)
    >>> round(found.radius, 12), round(float(found.conditions[0]), 3)
    (0.8, 10.05)
    """
    size = len(increment)
    if size == 0:
        none = torch.zeros(0, dtype=torch.complex128)
        return Modes(none, none.reshape(0, 0), none.real, none.real > 0, 0.0, increment)
    if not bool(torch.isfinite(increment).all()):  # a period so unstable that float64 overflows
        blown = torch.full((size,), float("inf"), dtype=torch.complex128)
        none = torch.zeros(size, size, dtype=torch.complex128)
        return Modes(blown, none, blown.real, blown.real < 0, 0.0, increment)
    resolution = _resolution(increment, eps, scale)
    if size > dense_limit:
        eigenvalues, vectors, conditions = leading_eigenpairs(increment)
    else:
        eigenvalues, vectors = _named(torch.linalg.eig, increment)
        conditions = _conditions(eigenvalues, vectors)
    is_neutral = eigenvalues.abs() <= resolution
    complete = size <= dense_limit
    return Modes(eigenvalues, vectors, conditions, is_neutral, resolution, increment, complete)


def _conditions(eigenvalues: Tensor, vectors: Tensor) -> Tensor:
    """Return ‖w‖‖v‖ of left vectors with wᴴv = 1, ∞ where the map is exactly defective."""
    sizes = vectors.abs().square().sum(0).sqrt()
    if len(eigenvalues) <= _EACH:
        inverse, info = torch.linalg.inv_ex(vectors)
        conditions = inverse.abs().square().sum(1).sqrt() * sizes
        return torch.full_like(conditions, torch.inf) if int(info) else conditions
    first = int((1 + eigenvalues).abs().argmax())
    unit = torch.zeros_like(eigenvalues)
    unit[first] = 1
    left, info = torch.linalg.solve_ex(vectors.T, unit)
    conditions = torch.full_like(sizes, torch.nan)
    conditions[first] = torch.inf if int(info) else left.abs().square().sum().sqrt() * sizes[first]
    return conditions


def spectral_radius(increment: Tensor, eps: float, scale: float = 0.0) -> float:
    """Return max |1 + ν| as ``modes(…).radius`` does, from eigenvalues alone.

    >>> round(spectral_radius(torch.tensor([[-0.5, 3.0], [0.0, -0.2]]), eps=1.2e-7), 6)
    0.8
    """
    if not bool(torch.isfinite(increment).all()):
        return float("inf")
    if len(increment) > DENSE_LIMIT:
        return modes(increment, eps, scale).radius
    ν = _named(torch.linalg.eigvals, increment)
    moving = ν[ν.abs() > _resolution(increment, eps, scale)]
    return float((1 + moving).abs().max()) if len(moving) else 1.0


def largest_modulus(matrix: Tensor) -> float:
    """Return max |x| over all eigenvalues of a matrix.

    >>> round(largest_modulus(torch.tensor([[0.0, -4.0], [1.0, 0.0]])), 6)
    2.0
    """
    return float(_named(torch.linalg.eigvals, matrix).abs().max())


def _resolution(increment: Tensor, eps: float, scale: float) -> float:
    """Return how far rounding moves a well-conditioned eigenvalue."""
    norm = float(torch.linalg.matrix_norm(increment))
    return 4 * len(increment) ** 0.5 * eps * max(scale, norm)


def _named(decompose: Callable[[Tensor], Any], matrix: Tensor) -> Any:
    """Return a decomposition, without entries that are noise where LAPACK gives up on them.

    Raises:
        InvalidValueError: LAPACK gives up all the same.
    """
    try:
        return decompose(matrix)
    except RuntimeError:  # torch.linalg.LinAlgError
        size = matrix.abs()
        cleared = torch.where(size < 1e-30 * size.max(), 0.0, matrix)
    try:
        return decompose(cleared)
    except RuntimeError as stopped:
        raise InvalidValueError(
            "the TD-error map must have a spectrum that LAPACK can compute",
            got=f"entries of size {float(size[size > 0].min()):.1e} to {float(size.max()):.1e}",
            remedy="Take other transitions, or fewer.",
        ) from stopped


def transient_gain(increment: Tensor) -> float:
    """Return ‖I + X‖₂: how much one step can enlarge the TD errors, stable or not.

    >>> round(transient_gain(torch.tensor([[-0.5, 3.0], [0.0, -0.5]], dtype=torch.float64)), 4)
    3.0811
    """
    if not bool(torch.isfinite(increment).all()):
        return float("inf")
    eye = torch.eye(len(increment), dtype=increment.dtype)
    return float(_named(torch.linalg.svdvals, eye + increment).max())


def is_contracting(increment: Tensor) -> bool:
    """Prove ρ(I + X) < 1 by squaring I + X until its norm is below 1 (no eigenvalue is trusted).

    >>> is_contracting(torch.tensor([[-0.5, 1e6], [0.0, -0.5]], dtype=torch.float64))
    True
    """
    power = torch.eye(len(increment), dtype=increment.dtype) + increment
    for _ in range(_MANY):
        norm = float(torch.linalg.matrix_norm(power))
        if norm < 0.5:
            return True
        if not norm < 1e100:
            return False
        power = power @ power
    return False
