"""The TD-error certificate: contraction on the data alone, under every greedy switching."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.theory.descent import Descent
from qdiverge.theory.weighted_norm import WeightedModulus, best_weights


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
    increments: Tensor, uncertainty: Tensor | None = None
) -> TDErrorCertificate:
    """Bound the TD errors of the frozen-kernel system, however the greedy actions switch.

    δ_{t+1} = (I + X_w) δ_t with row-wise mixtures w over the successor actions, hence

        β = max_i max_a Σ_j |1[i=j] + X_{a,ij}| v_j/v_i < 1  ⇒  ‖δ_t‖_v ≤ β^t ‖δ_0‖_v

    for every v > 0 (the rows choose independently). K' − K cancels before the absolute value,
    which is what the row condition gives away.

    Args:
        increments: X of :func:`td_increments`, float64 ``[N, A, N]``.
        uncertainty: u ``[N]``: error bound of X_{a,ij}, the same for every i and a.

    >>> X = torch.tensor([[[-0.01], [-0.05]]], dtype=torch.float64)
    >>> certificate = td_error_certificate(X)
    >>> certificate.holds, round(certificate.modulus, 6), certificate.largest_factor
    (True, 0.99, 40.0)
    """
    size = increments.shape[0]
    if not bool(torch.isfinite(increments).all()):  # a period that overflows float64
        return no_certificate(size)
    own = increments.diagonal(dim1=0, dim2=2).T  # [N, A] X_{a,ii}
    others = increments.abs()
    others.diagonal(dim1=0, dim2=2).zero_()
    kept = torch.maximum(own, -2 - own)  # |1 + X_ii| − 1 without cancellation

    def excess(v: Tensor) -> Tensor:
        return (kept * v[:, None] + others @ v).amax(1)

    start = _balancing_weights(kept, others)
    bound = best_weights(excess, size, max(0.0, -float(kept.min())), start)
    v = bound.weights
    slack = torch.zeros_like(v) if uncertainty is None else uncertainty @ v
    return TDErrorCertificate(
        holds=bool((excess(v) + slack < 0).all()),
        bound=bound,
        largest_factor=_largest_factor(-own, (others @ v) / v[:, None]),
    )


def momentum_certificate(
    increments: Tensor, descent: Descent, uncertainty: Tensor
) -> TDErrorCertificate:
    """Bound the TD errors under momentum, without a target network, whatever the greedy actions do.

    θ + cv moves by h along g alone, with c and h of :class:`Descent`. So with ε the TD errors
    there, X_w = (K'_w − K)D and v = PJᵀD u, by the mean value of the maximum twice,

        ε ← ε + h X_w (ε − c X_w' u),   u ← μ u + κ (ε − c X_w' u)

    with rows of w and w' that may choose any action. A weighted sup norm of (ε, u) that shrinks
    under the absolute values of all this is a certificate.

    Args:
        increments: X ``[N, A, N]``, without the learning rate.
        descent: without decay.
        uncertainty: u ``[N]``: error bound of X_{a,ij}, the same for every i and a.

    >>> X = torch.tensor([[[-1.0]]], dtype=torch.float64)
    >>> exact = torch.zeros(1, dtype=torch.float64)
    >>> momentum_certificate(X, Descent(0.001, momentum=0.9), exact).holds
    True
    >>> momentum_certificate(X, Descent(0.1, momentum=0.9), exact).holds
    False
    """
    size, d = len(increments), descent
    h, c = d.learning_rate * d.total_gain, d.learning_rate * d.lead
    own = h * increments.diagonal(dim1=0, dim2=2).T  # [N, A]
    kept = torch.maximum(own, -2 - own)  # |1 + hX_ii| − 1
    others = h * increments.abs()
    others.diagonal(dim1=0, dim2=2).zero_()
    every = increments.abs() + uncertainty

    def excess(v: Tensor) -> Tensor:
        of_errors, of_velocity = v[:size], v[size:]
        shifted = c * (every @ of_velocity).amax(1)  # |c X u|, [N]
        slack = h * (uncertainty @ of_errors)
        rows = (kept * of_errors[:, None] + others @ of_errors + h * (every @ shifted)).amax(1)
        steps = d.gain * (of_errors + shifted) + (d.momentum - 1) * of_velocity
        return torch.cat([rows + slack, steps])

    start = _balancing_weights(kept, others)
    if start is not None:
        start = torch.cat([start, 1.5 * d.gain / (1 - d.momentum) * start])
    shift = max(1 - d.momentum, -float(kept.min()))
    bound = best_weights(excess, 2 * size, shift, start)
    return TDErrorCertificate(bool((excess(bound.weights) < 0).all()), bound, 0.0)


def no_certificate(size: int) -> TDErrorCertificate:
    """Return what stands where no weighted norm is known, or none can be computed."""
    infinite = torch.full((size,), math.inf, dtype=torch.float64)
    never = WeightedModulus(infinite, math.inf, math.inf, math.inf, torch.ones_like(infinite))
    return TDErrorCertificate(False, never, 0.0)


def _balancing_weights(kept: Tensor, others: Tensor, num_rounds: int = 20) -> Tensor | None:
    """Solve max_a (kept v + others v) = −1 by policy iteration; v > 0 iff a certificate exists.

    It is blind to the scale of the rows, where power iteration takes as long as the slowest row.
    """
    if not bool((kept < 0).all()):
        return None
    rows = torch.arange(len(kept))
    choice = (others.sum(2) / -kept).argmax(1)
    for _ in range(num_rounds):
        matrix = others[rows, choice] + torch.diag(kept[rows, choice])
        v, info = torch.linalg.solve_ex(-matrix, torch.ones(len(kept), dtype=kept.dtype))
        if int(info) or not bool((v > 0).all()) or not bool(torch.isfinite(v).all()):
            return None
        v = v / v.max()
        worse = (kept * v[:, None] + others @ v).argmax(1)
        if bool((worse == choice).all()):
            break
        choice = worse
    return v


def _largest_factor(own: Tensor, others: Tensor) -> float:
    """Return the largest factor on X under which min(x, 2 − x) > o still holds in every row."""
    if not bool((own > others).all()):
        return 0.0
    return 2.0 / float((own + others).max())
