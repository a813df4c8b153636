"""K Z = Δ in least squares, for a kernel that is often close to singular."""

from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.checks import check_between, check_nonnegative
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite


@dataclass(frozen=True)
class LeastSquares:
    """A solution and how well posed it was.

    Attributes:
        solution: Z, [N], in double precision.
        condition_number: The largest eigenvalue used over the smallest used.
        rank: Eigenvalues used; fewer than N where K is singular to its own precision.
    """

    solution: Tensor
    condition_number: float
    rank: int


def solve(
    K: Tensor, td_errors: Tensor, *, damping: float = 0.0, cutoff: float | None = None
) -> LeastSquares:
    """Solve K Z = Δ for a positive semidefinite K, through its eigenvalues λ and eigenvectors u.

        Z = Σ_{μ_k > cutoff·λ_max} u_k u_kᵀΔ / μ_k,   μ_k = λ_k + damping·λ_max

    Without damping that is the least-norm solution; with it (Levenberg, Tikhonov), the Z whose
    step d = JᵀZ minimises |J d − Δ|² + damping·λ_max |d|². With duplicates among the pairs K is
    singular: they are given one value, the mean of what their Δ ask for.

    Args:
        K: [N, N], symmetric.
        td_errors: Δ, [N].
        damping: As a share of the largest eigenvalue.
        cutoff: Likewise; None: N times the rounding unit of K's dtype.

    Returns:
        The solution.

    Raises:
        InvalidValueError: K or Δ is not finite, K is zero, or a number is out of range.

    >>> found = solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 1.0]))
    >>> found.solution.tolist(), found.condition_number, found.rank
    ([0.5, 0.25], 2.0, 2)
    >>> twice = solve(torch.ones(2, 2), torch.tensor([1.0, 3.0]))  # one pair drawn twice
    >>> K_Z = torch.ones(2, 2).double() @ twice.solution  # what both are moved by: the mean
    >>> K_Z.round(decimals=6).tolist(), twice.rank
    ([2.0, 2.0], 1)
    """
    damping = check_nonnegative("damping", damping)
    check_finite("K", K)
    check_finite("td_errors", td_errors)
    if K.ndim != 2 or K.shape[0] != K.shape[1] or td_errors.shape != K.shape[:1] or not len(K):
        raise InvalidValueError(
            "K must be [N, N] and td_errors [N]", got=f"{list(K.shape)}, {list(td_errors.shape)}"
        )
    share = min(len(K) * torch.finfo(K.dtype).eps, 0.5)
    if cutoff is not None:
        share = check_between("cutoff", cutoff, 0, 1, "[)")
    eigenvalues, U = torch.linalg.eigh(K.double())  # ascending
    largest = float(eigenvalues[-1])
    if largest <= 0.0:
        raise InvalidValueError(
            "the kernel must be positive somewhere",
            got="a kernel of zeros: no parameter changes these Q-values",
        )
    eigenvalues = eigenvalues.clamp(min=0.0) + damping * largest
    used = eigenvalues > share * largest
    inverse = torch.where(used, 1.0 / torch.where(used, eigenvalues, 1.0), 0.0)
    Z = U @ (inverse * (U.T @ td_errors.double()))
    least, most = float(eigenvalues[used][0]), float(eigenvalues[-1])
    return LeastSquares(Z, most / least, int(used.sum()))
