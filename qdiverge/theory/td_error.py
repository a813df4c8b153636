"""The TD-error certificate: contraction on the data alone, under every greedy switching."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.theory.weighted_norm import WeightedModulus, best_weights, num_iterations


@dataclass(frozen=True, eq=False)
class TDErrorCertificate:
    """Sup-norm moduli of the TD-error map; ``holds`` allows for the rounding of the kernels."""

    holds: bool  # weighted_modulus < 1
    bound: WeightedModulus
    largest_factor: float  # these weights certify every smaller multiple of X; 0.0 where none is

    @property
    def modulus(self) -> float:
        """Return the modulus in the best weighted norm found."""
        return self.bound.weighted_modulus


def td_increments(K: Tensor, successors: Tensor, step: Tensor) -> Tensor:
    """Return X_a = (K'_a − K)P, so that row (i, a) of the TD-error map is e_i + (X_a)_i.

    Args:
        K: kernel ``[N, N]``.
        successors: K'_a, ``[N, A, N]``.
        step: P: the weights αρ ``[N]``, or P_C of a target period ``[N, N]``.

    >>> K, successors = torch.eye(1), torch.tensor([[[0.9], [0.5]]])
    >>> td_increments(K, successors, torch.tensor([0.1]))
    tensor([[[-0.0100], [-0.0500]]])
    """
    difference = successors - K[:, None, :]  # [N, A, N]
    return difference * step if step.ndim == 1 else difference @ step


def td_error_certificate(
    increments: Tensor, uncertainty: Tensor | None = None, fixed: Tensor | None = None
) -> TDErrorCertificate:
    """Bound the TD errors of the frozen-kernel system, however the greedy actions switch.

    δ_{t+1} = (I + X_w) δ_t with row-wise mixtures w over the successor actions, hence

        β = max_i max_a Σ_j |1[i=j] + X_{a,ij}| v_j/v_i < 1  ⇒  ‖δ_t‖_v ≤ β^t ‖δ_0‖_v

    for every v > 0 (the rows choose independently). K' − K cancels before the absolute value,
    which is what the row condition gives away.

    Args:
        increments: X of :func:`td_increments`, float64 ``[N, A, M]``; M > N where the state holds
            more than the TD errors.
        uncertainty: u ``[M]``: error bound of X_{a,ij}, the same for every i and a.
        fixed: the other M − N rows of the state, in which no action counts, minus the identity.

    >>> X = torch.tensor([[[-0.01], [-0.05]]], dtype=torch.float64)
    >>> certificate = td_error_certificate(X)
    >>> certificate.holds, round(certificate.modulus, 6), certificate.largest_factor
    (True, 0.99, 40.0)
    """
    size, M = len(increments), increments.shape[2]
    rest = increments.new_zeros(0, M) if fixed is None else fixed
    if not bool(torch.isfinite(increments).all() and torch.isfinite(rest).all()):
        return no_certificate(M)  # a period that overflows float64
    own, others = _split(increments)
    kept = torch.maximum(own, -2 - own)  # |1 + X_ii| − 1 without cancellation
    own_fixed = rest.diagonal(size)
    below = rest.abs()
    below.diagonal(size).copy_(torch.maximum(own_fixed, -2 - own_fixed))
    rows = torch.arange(size)

    def each(v: Tensor) -> Tensor:
        return kept * v[:size, None] + others @ v

    def excess(v: Tensor) -> Tensor:
        return torch.cat([each(v).amax(1), below @ v])

    def chosen(v: Tensor) -> Tensor:
        choice = each(v).argmax(1)
        upper = others[rows, choice]
        upper.diagonal().copy_(kept[rows, choice])
        return torch.cat([upper, below])

    least = float(torch.cat([kept.amin(1), below.diagonal(size)]).min())
    start = balancing_weights(chosen, M)
    bound = best_weights(excess, M, max(0.0, -least), start, num_iterations(start, M))
    v = bound.weights
    slack = torch.zeros_like(v)
    if uncertainty is not None:
        slack[:size] = uncertainty @ v
    return TDErrorCertificate(
        holds=bool((excess(v) + slack < 0).all()),
        bound=bound,
        largest_factor=0.0 if len(rest) else _largest_factor(-own, (others @ v) / v[:, None]),
    )


def no_certificate(size: int) -> TDErrorCertificate:
    """Return what stands where no weighted norm is known, or none can be computed."""
    infinite = torch.full((size,), math.inf, dtype=torch.float64)
    never = WeightedModulus(infinite, math.inf, math.inf, math.inf, torch.ones_like(infinite))
    return TDErrorCertificate(False, never, 0.0)


def balancing_weights(
    chosen: Callable[[Tensor], Tensor], size: int, num_rounds: int = 20
) -> Tensor | None:
    """Solve E(v) v = −1 by policy iteration, E the excess at the worst actions for v.

    v > 0 iff a certificate exists: −E is then an M-matrix at every choice. It is blind to the
    scale of the rows, where power iteration takes as long as the slowest row.

    Args:
        chosen: v ↦ E(v) ``[M, M]``, none but its diagonal below 0.
        size: M.
        num_rounds: choices at most.
    """
    v, matrix = torch.ones(size, dtype=torch.float64), None
    for _ in range(num_rounds):
        before, matrix = matrix, chosen(v)
        if before is not None and torch.equal(before, matrix):
            break
        if not bool((matrix.diagonal() < 0).all()):
            return None
        v, info = torch.linalg.solve_ex(-matrix, torch.ones(size, dtype=torch.float64))
        if int(info) or not bool((v > 0).all()) or not bool(torch.isfinite(v).all()):
            return None
        v = v / v.max()
    return v


def _split(increments: Tensor) -> tuple[Tensor, Tensor]:
    """Return X_{a,ii} ``[N, A]``, and |X| without it ``[N, A, M]``."""
    size = len(increments)
    own = increments[:, :, :size].diagonal(dim1=0, dim2=2).T
    others = increments.abs()
    others[:, :, :size].diagonal(dim1=0, dim2=2).zero_()
    return own, others


def _largest_factor(own: Tensor, others: Tensor) -> float:
    """Return the largest factor on X under which min(x, 2 − x) > o still holds in every row."""
    if not bool((own > others).all()):
        return 0.0
    return 2.0 / float((own + others).max())
