"""Minibatch noise: mean-square stability, and the critical learning rate against batch size."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qdiverge.checks import check_integer, check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_distribution, check_finite
from qdiverge.theory.matrix_checks import on_cpu

_DENSE_LIMIT = 100  # entries of a second moment up to which its map is formed


@dataclass(frozen=True)
class MinibatchReport:
    """Mean-square stability at one batch size."""

    batch_size: int
    learning_rate: float
    critical_learning_rate: float  # E‖δ‖² shrinks below it; 0.0 where no step is stable on average
    is_stable: bool

    def __str__(self) -> str:
        if self.critical_learning_rate == 0.0:
            return "The mean update is unstable at every step size: on average no batch size helps."
        word = "below" if self.is_stable else "above"
        return (
            f"At batch size {self.batch_size} the TD errors are stable in mean square up to "
            f"α = {self.critical_learning_rate:.3g}; the step in use, {self.learning_rate:.3g}, is "
            f"{word} it."
        )


def critical_learning_rate(A: Tensor, batch_size: int, rho: Tensor | None = None) -> float:
    """Return the step at which sampling noise alone keeps E‖δ‖² from shrinking.

    One update on b sampled pairs is δ ← (I + (α/b) A E)δ, so that the second moment moves by

        Σ ← Σ + α(AD̄Σ + ΣD̄Aᵀ) + α² A 𝒩(Σ) Aᵀ,

    uniform without replacement from N: D̄ = I/N, 𝒩(Σ) = b⁻²[p₂Σ + (p₁ − p₂) diag Σ], p₁ = b/N,
    p₂ = b(b−1)/(N(N−1)); with replacement from ρ: D̄ = D, 𝒩(Σ) = (1 − 1/b) DΣD + D diag Σ/b.
    With L the term in α and 𝒬 that in α², this positive map contracts iff AD̄ is stable and
    α ρ(−L⁻¹𝒬) < 1: one eigenvalue of a positive map gives the step. At b = N it is
    min 2 Re(−μ)/|μ|². Directions that AD̄ never moves are left out.

    Source: the criterion is that for resolvent-positive operators, Damm (2004), Rational Matrix
    Equations in Stochastic Control, chapter 3.

    Args:
        A: K' − K at the greedy actions, float64 ``[N, N]``.
        batch_size: b; at most N without replacement.
        rho: sampling distribution with replacement; uniform without replacement by default.

    Returns:
        The critical α; 0.0 where the mean update is unstable.

    Raises:
        InvalidValueError: batch_size is not in 1…N (without replacement) or below 1.

    >>> import torch
    >>> A = torch.tensor([[-2.0, 0.0], [0.0, -2.0]], dtype=torch.float64)
    >>> round(critical_learning_rate(A, 2), 6), round(critical_learning_rate(A, 1), 6)
    (2.0, 1.0)
    """
    A = on_cpu(check_finite("A", A))
    if A.ndim != 2 or A.shape[0] != A.shape[1] or not len(A):
        raise InvalidValueError("A must be K' − K of a batch, [N, N]", got=list(A.shape))
    size, batch_size = len(A), check_integer("batch_size", batch_size, 1)
    rho = None if rho is None else on_cpu(check_distribution("rho", rho, size))
    if rho is None and batch_size > size:
        raise InvalidValueError(
            f"batch_size must lie in 1…{size}, the pairs to sample from without replacement",
            got=batch_size,
            remedy="Pass more pairs than a batch holds, or rho to sample with replacement.",
        )
    a, weights = A.numpy(), (np.full(size, 1 / size) if rho is None else rho.numpy())
    V = _moved_directions(a * weights)  # [N, r]
    if V.shape[1] == 0:
        return 0.0
    mean = (V.T @ a) * weights @ V  # [r, r]: AD̄ on what moves
    if np.linalg.eigvals(mean).real.max() >= 0:
        return 0.0
    solve = _lyapunov_solver(mean)
    reduced = V.T @ a  # [r, N]

    def positive_map(flat: np.ndarray) -> np.ndarray:
        Y = flat.reshape(mean.shape)
        noise = _noise(V @ Y @ V.T, batch_size, weights, with_replacement=rho is not None)
        return solve(reduced @ noise @ reduced.T).ravel()

    return 1.0 / _perron_root(positive_map, len(mean))


def mean_square_growth(
    A: Tensor, batch_size: int, learning_rate: float, rho: Tensor | None = None
) -> float:
    """Return by what E‖δ‖² grows per update in the end: the spectral radius of Σ ↦ E[MΣMᵀ].

    Arguments as of :func:`critical_learning_rate`.

    >>> import torch
    >>> A = torch.tensor([[1.1, 1.1], [-0.9, -0.9]], dtype=torch.float64).T  # × 2.1 or × 0.1
    >>> round(mean_square_growth(A, 1, 1.0), 6)  # (2.1² + 0.1²)/2
    2.21
    """
    a, size = on_cpu(A).numpy(), len(A)
    weights = np.full(size, 1 / size) if rho is None else on_cpu(rho).numpy()
    V = _moved_directions(a * weights)  # [N, r]
    mean = learning_rate * (V.T @ a) * weights @ V
    reduced = learning_rate * (V.T @ a)

    def positive_map(flat: np.ndarray) -> np.ndarray:
        Y = flat.reshape(mean.shape)
        noise = _noise(V @ Y @ V.T, batch_size, weights, with_replacement=rho is not None)
        return (Y + mean @ Y + Y @ mean.T + reduced @ noise @ reduced.T).ravel()

    return _perron_root(positive_map, len(mean)) if len(mean) else 1.0


def check_minibatch(
    A: Tensor, batch_size: int, learning_rate: float, rho: Tensor | None = None
) -> MinibatchReport:
    """Return whether ``learning_rate`` is stable in mean square at ``batch_size``.

    >>> import torch
    >>> A = -2 * torch.eye(2, dtype=torch.float64)
    >>> print(check_minibatch(A, batch_size=1, learning_rate=1.5))
    At batch size 1 the TD errors are stable in mean square up to α = 1; the step in use, 1.5, ...
    """
    learning_rate = check_positive("learning_rate", learning_rate)
    critical = critical_learning_rate(A, batch_size, rho)
    return MinibatchReport(batch_size, learning_rate, critical, learning_rate < critical)


def _perron_root(positive_map: Callable[[np.ndarray], np.ndarray], size: int) -> float:
    """Return the spectral radius of a positive map on size × size matrices: a real eigenvalue."""
    if size**2 <= _DENSE_LIMIT:
        columns = [positive_map(column) for column in np.eye(size**2)]
        return float(np.linalg.eigvals(np.stack(columns, axis=1)).real.max())
    from scipy.sparse.linalg import LinearOperator, eigs

    operator = LinearOperator((size**2, size**2), matvec=positive_map, dtype=np.float64)
    start = np.eye(size).ravel()
    return float(eigs(operator, 1, v0=start, tol=1e-8, return_eigenvectors=False).real.max())


def _noise(
    Σ: np.ndarray, batch_size: int, weights: np.ndarray, *, with_replacement: bool
) -> np.ndarray:
    """Return 𝒩(Σ) = E[E Σ E]/b² for the diagonal count matrix E of a batch."""
    b, size = batch_size, len(Σ)
    if with_replacement:
        both = (1 - 1 / b) * weights[:, None] * Σ * weights
        return both + np.diag(weights * np.diag(Σ)) / b
    one, two = b / size, b * (b - 1) / (size * max(size - 1, 1))
    return (two * Σ + (one - two) * np.diag(np.diag(Σ))) / b**2


def _moved_directions(increment: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of the range of AD̄: where the TD errors can move."""
    U, σ, _ = np.linalg.svd(increment)
    return U[:, σ > len(σ) * np.finfo(float).eps * max(σ[0], np.finfo(float).tiny)]


def _lyapunov_solver(mean: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return Y ↦ X with mean X + X meanᵀ = −Y, from one real Schur form."""
    from scipy.linalg import schur
    from scipy.linalg.lapack import dtrsyl

    T, U = schur(mean, output="real")

    def solve(Y: np.ndarray) -> np.ndarray:
        X, scale, _ = dtrsyl(T, T, -U.T @ Y @ U, trana="N", tranb="T")
        return U @ (X / scale) @ U.T

    return solve
