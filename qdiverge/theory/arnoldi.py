"""Leading eigenvalues from products alone: batches too large for dense eigensolvers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdiverge.calling import own_errors
from qdiverge.checks import check_integer, check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_distribution, check_finite
from qdiverge.thing_checks import check_callable

Product = Callable[[Tensor], Tensor]
_SUBSPACE = 80  # vectors in Arnoldi's basis
_TOLERANCE = 1e-6  # of an eigenvalue, relative to the largest
_RESTARTS = 10
DENSE_LIMIT = 1024  # N up to which a dense eigensolver is used


@dataclass(frozen=True, eq=False)
class SpectralBounds:
    """The spectrum's ends, from a few eigenvalues of AD."""

    eigenvalues: Tensor  # complex [k] of AD: those of largest modulus and of largest real part
    spectral_radius: float  # max |1 + αμ| over them: a lower bound of ρ(I + αAD)
    self_excitation: float  # max Re μ over them
    max_learning_rate: float  # 2 Re(−μ)/|μ|² over them: an upper bound; 0.0 where some Re μ > 0
    is_dense: bool  # all eigenvalues: the bounds are the values
    is_converged: bool


def spectral_bounds(
    kernel_product: Product,
    successor_product: Product,
    rho: Tensor,
    learning_rate: float,
    dense_limit: int = DENSE_LIMIT,
    count: int = 6,
) -> SpectralBounds:
    """Return the leading eigenvalues of AD = (K' − K)D without a kernel in memory.

    Source: implicitly restarted Arnoldi, ARPACK (Lehoucq, Sorensen & Yang 1998), through scipy.

    Args:
        kernel_product: u ↦ Ku, ``[N]`` to ``[N]``.
        successor_product: u ↦ K'u at the greedy actions.
        rho: ``[N]``, which also gives N, dtype and device of the products' arguments.
        learning_rate: α.
        dense_limit: N up to which AD is formed column by column and solved densely.
        count: how many eigenvalues of either kind.

    Raises:
        InvalidValueError: a product is not ``[N]``, or not finite.

    >>> K = torch.diag(torch.tensor([4.0, 2.0]))
    >>> bounds = spectral_bounds(K.mv, (0 * K).mv, torch.tensor([0.5, 0.5]), 0.1)
    >>> bounds.spectral_radius, bounds.max_learning_rate
    (0.9, 1.0)
    """
    rho = check_distribution("rho", rho, rho.numel() if isinstance(rho, Tensor) else 0)
    learning_rate = check_positive("learning_rate", learning_rate)
    dense_limit = check_integer("dense_limit", dense_limit, 0)
    count = check_integer("count", count, 1)
    products = {"kernel_product": kernel_product, "successor_product": successor_product}
    for name, function in products.items():
        check_callable(name, function, "a function of a vector [N]")
    size = len(rho)

    def product(u: np.ndarray) -> np.ndarray:
        weighted = rho * torch.from_numpy(np.array(u, dtype=np.float64).reshape(size)).to(rho)
        own, ahead = (_product(name, function, weighted) for name, function in products.items())
        return (ahead - own).double().cpu().numpy()

    μ, is_converged = leading_eigenvalues(product, size, dense_limit, count)
    moving = μ[μ.abs() > size**0.5 * float(torch.finfo(rho.dtype).eps) * float(μ.abs().max())]
    return SpectralBounds(
        eigenvalues=μ,
        spectral_radius=float((1 + learning_rate * moving).abs().max()) if len(moving) else 1.0,
        self_excitation=float(μ.real.max()),
        max_learning_rate=_step(moving),
        is_dense=size <= dense_limit,
        is_converged=is_converged,
    )


def _product(name: str, function: Product, vector: Tensor) -> Tensor:
    with own_errors(name, vector):
        made = function(vector)
    if check_finite(f"what {name} returns", made).shape != vector.shape:
        raise InvalidValueError(
            f"what {name} returns must be {list(vector.shape)}", got=list(made.shape)
        )
    return made.detach()


def leading_eigenpairs(matrix: Tensor, count: int = 6) -> tuple[Tensor, Tensor, Tensor]:
    """Return the eigenvalues μ of largest modulus and of largest real part, vectors, conditions.

    What ARPACK could not converge is left out; where nothing did, the dense solver takes over.
    """
    a = matrix.numpy()
    values, vectors, conditions = [], [], []
    for which in ("LM", "LR"):
        μ, V = _arpack(a, count, which)
        mirrored, left = _arpack(a.T, count, which)
        if len(mirrored) == 0:
            overlap = np.zeros(len(μ))
        else:
            w = left[:, np.abs(mirrored[None, :] - μ[:, None]).argmin(1)]  # wᴴ = leftᵀ
            overlap = np.abs((w * V).sum(0))
        values.append(μ)
        vectors.append(V)
        conditions.append(1 / np.maximum(overlap, 1e-300))
    if sum(map(len, values)) == 0:
        μ, V = np.linalg.eig(a)
        values, vectors = [μ], [V]
        conditions = [np.linalg.norm(np.linalg.inv(V), axis=1)]
    return (
        torch.from_numpy(np.concatenate(values).astype(np.complex128)),
        torch.from_numpy(np.concatenate(vectors, 1).astype(np.complex128)),
        torch.from_numpy(np.concatenate(conditions)),
    )


def _arpack(a: np.ndarray, count: int, which: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the eigenpairs that converge, from a fixed start."""
    from scipy.sparse.linalg import ArpackNoConvergence, eigs

    start = np.random.default_rng(0).standard_normal(len(a))
    try:
        eigenpairs: tuple[np.ndarray, np.ndarray] = eigs(a, count, which=which, v0=start)
    except ArpackNoConvergence as stopped:
        eigenpairs = stopped.eigenvalues, stopped.eigenvectors
    return eigenpairs


def leading_eigenvalues(
    product: Callable[[np.ndarray], np.ndarray], size: int, dense_limit: int, count: int
) -> tuple[Tensor, bool]:
    """Return eigenvalues of largest modulus and of largest real part, and whether all converged."""
    if size <= max(dense_limit, count + 2):
        columns = np.stack([product(column) for column in np.eye(size)], axis=1)
        return torch.from_numpy(np.linalg.eigvals(columns).astype(np.complex128)), True
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs

    start = np.random.default_rng(0).standard_normal(size)
    eigenvalues, is_converged, shift = [], True, 0.0
    # The eigenvalues of largest real part are often tiny, and ARPACK's tolerance is relative to
    # each: on AD + |μ|_max I it is relative to the spectrum, in a fraction of the products.
    for which in ("LM", "LR"):
        operator = LinearOperator(
            (size, size), matvec=lambda u, c=shift: product(u) + c * u, dtype=np.float64
        )
        try:
            μ = eigs(
                operator,
                count,
                which=which,
                v0=start,
                ncv=min(size - 1, max(_SUBSPACE, 3 * count)),
                tol=_TOLERANCE,
                maxiter=_RESTARTS,
                return_eigenvectors=False,
            )
        except ArpackNoConvergence as stopped:
            μ, is_converged = stopped.eigenvalues, False
        except ArpackError:  # of a map to zero, whose only eigenvalue that is
            μ, is_converged = np.zeros(1), is_converged and not product(start).any()
        eigenvalues.append(μ - shift)
        shift = float(np.abs(μ).max()) if len(μ) else 0.0
    if not any(map(len, eigenvalues)):
        eigenvalues.append(np.zeros(1))
    return torch.from_numpy(np.concatenate(eigenvalues).astype(np.complex128)), is_converged


def _step(eigenvalues: Tensor) -> float:
    """Return min 2 Re(−μ)/|μ|², 0.0 where some Re μ ≥ 0."""
    if len(eigenvalues) == 0 or bool((eigenvalues.real >= 0).any()):
        return 0.0
    return float((-2 * eigenvalues.real / eigenvalues.abs().square()).min())
