"""The certificate under momentum, with a target network or without.

θ̂ = θ + cv moves by h along g alone, c and h those of :class:`qdiverge.theory.descent.Descent`. With
v = PJᵀDu, B = KD and ê the errors of θ̂ on the fixed targets of one period,

    ê ← ê − hB(ê + cBu),   u ← μu + κ(ê + cBu),   θ̂ ← θ̂ + hPJᵀD(ê + cBu),

so that after C updates θ̂ has moved by PJᵀ(P₁ê + P₂u), and u has become R₁ê + R₂u: all of them
functions of B, by a 3 × 3 map for each eigenvalue of D^½KD^½.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.theory.descent import Descent
from qdiverge.theory.td_error import (
    TDErrorCertificate,
    balancing_weights,
    no_certificate,
    td_error_certificate,
)
from qdiverge.theory.weighted_norm import best_weights, num_iterations


@dataclass(frozen=True, eq=False)
class Period:
    """C updates on fixed targets, as functions of λ, ``[N]`` each, and what makes matrices of them.

    Attributes:
        moved: p₁ and p₂: of D p(B) the coefficients in which θ̂ moves.
        velocity: r₁ and r₂: u becomes r₁(B)ê + r₂(B)u.
    """

    kernel: Tensor  # K [N, N]
    basis: Tensor  # D^½U [N, N]
    rates: Tensor  # λ [N]
    moved: tuple[Tensor, Tensor]
    velocity: tuple[Tensor, Tensor]
    at_rest: Tensor  # the 3 × 3 map of λ = 0

    def weighted(self, values: Tensor) -> Tensor:
        """Return D f(KD), of f at each λ."""
        return (self.basis * values) @ self.basis.T

    def function(self, values: Tensor, at_zero: float) -> Tensor:
        """Return f(KD) = f(0) + K D^½U (f(Λ) − f(0))/Λ UᵀD^½, of f at each λ and at 0."""
        is_null = self.rates <= 1e-14 * self.rates.max()
        slopes = (values - at_zero) / self.rates.masked_fill(is_null, torch.inf)
        eye = torch.eye(len(self.rates), dtype=torch.float64)
        return at_zero * eye + self.kernel @ self.weighted(slopes)


def period_of(K: Tensor, weights: Tensor, descent: Descent, period: int) -> Period:
    """Return what C updates make of ê and u.

    >>> one = torch.ones(1, dtype=torch.float64)
    >>> heavy_ball = Descent(0.1, momentum=0.5)  # h = 0.2, c = 0.1
    >>> found = period_of(one[:, None], one, heavy_ball, 1)
    >>> [round(x.item(), 6) for x in (*found.moved, *found.velocity)]  # h, hcλ, κ, μ + κcλ
    [0.2, 0.02, 1.0, 0.6]
    """
    d, α = descent, descent.learning_rate
    h, c = α * d.total_gain, α * d.lead
    root = weights.sqrt()
    λ, U = torch.linalg.eigh(root[:, None] * K * root)
    λ = λ.clamp(min=0)

    def powers(λ: Tensor) -> Tensor:
        one, zero = torch.ones_like(λ), torch.zeros_like(λ)
        step = [
            [1 - h * λ, -h * c * λ**2, zero],
            [d.gain * one, d.momentum + d.gain * c * λ, zero],
            [h * one, h * c * λ, one],
        ]
        return torch.linalg.matrix_power(
            torch.stack([torch.stack(r, -1) for r in step], -2), period
        )

    M = powers(λ)
    return Period(
        K, root[:, None] * U, λ, (M[:, 2, 0], M[:, 2, 1]), (M[:, 1, 0], M[:, 1, 1]),
        powers(torch.zeros(1, dtype=λ.dtype))[0],
    )  # fmt: skip


def copied_certificate(
    K: Tensor,
    successors: Tensor,
    weights: Tensor,
    descent: Descent,
    period: int = 1,
    uncertainty: float = 0.0,
) -> TDErrorCertificate:
    """Bound the TD errors under momentum, with a copy every C updates, however actions switch.

    With ε the TD errors of θ̂ at a copy and X_w = (K'_w − K)D, by the mean value of the maximum
    twice,

        ε ← ε + (K'_w − K)[P₁ε + Q₂u − cP₁X_w' u],   Q₂ = P₂ − cP₁KD
        u ← R₁ε + (R₂ − cR₁KD)u − cR₁X_w' u

    with rows of w and w' that may choose any action; of C = 1, that is no target network, P₁ = hD,
    Q₂ = 0, R₁ = κ and the last bracket is μ. A weighted sup norm of (ε, u) that shrinks under the
    absolute values of all this is a certificate.

    Args:
        K: kernel ``[N, N]``.
        successors: K'_a ``[N, A, N]``.
        weights: D ``[N]``.
        descent: without decay.
        period: C.
        uncertainty: error bound of an entry of K or K'.

    >>> one, none = torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64)
    >>> for α in (0.001, 0.1):
    ...     copied_certificate(one[:, None], none, one, Descent(α, momentum=0.9)).holds
    True
    False
    """
    size, d = len(K), descent
    c, of = d.learning_rate * d.lead, period_of(K, weights, d, period)
    (p1, p2), (r1, r2), zero = of.moved, of.velocity, of.at_rest
    P = torch.cat([of.weighted(p1), of.weighted(p2 - c * of.rates * p1)], 1)  # [N, 2N]
    R = of.function(r1, float(zero[1, 0]))
    kept = of.function(r2 - c * of.rates * r1, float(zero[1, 1]))
    difference = successors - K[:, None, :]
    rows = difference @ P  # [N, A, 2N]
    if not bool(torch.isfinite(rows).all() and torch.isfinite(kept).all()):
        return no_certificate(2 * size)
    slack = uncertainty * P.abs().sum(0)  # [2N]
    own = rows[:, :, :size].diagonal(dim1=0, dim2=2).T
    others = rows.abs() + slack
    kept_own = torch.maximum(own, -2 - own) + slack[:size, None]  # |1 + X_ii| − 1
    others[:, :, :size].diagonal(dim1=0, dim2=2).copy_(kept_own.T)
    later = c * (difference @ P[:, :size]).abs() + c * slack[:size]  # c|(K'_w − K)P₁|
    every = difference.abs() * weights + uncertainty * weights  # |X|
    lower = torch.cat([R.abs(), kept.abs()], 1)
    lower[:, size:].diagonal().sub_(1)
    index = torch.arange(size)

    def each(v: Tensor) -> tuple[Tensor, Tensor]:
        shifted = every @ v[size:]  # [N, A]
        return shifted, others @ v + later @ shifted.amax(1)

    def excess(v: Tensor) -> Tensor:
        shifted, upper = each(v)
        return torch.cat([upper.amax(1), lower @ v + c * (R.abs() @ shifted.amax(1))])

    def chosen(v: Tensor) -> Tensor:
        shifted, upper = each(v)
        X, choice = every[index, shifted.argmax(1)], upper.argmax(1)
        matrix = torch.cat([others[index, choice], lower])
        matrix[:size, size:] += later[index, choice] @ X
        matrix[size:, size:] += c * R.abs() @ X
        return matrix

    least = float(torch.cat([others[:, :, :size].diagonal(dim1=0, dim2=2).amin(0),
                             lower[:, size:].diagonal()]).min())  # fmt: skip
    start = balancing_weights(chosen, 2 * size)
    shift = max(0.0, -least)
    bound = best_weights(excess, 2 * size, shift, start, num_iterations(start, 2 * size))
    return TDErrorCertificate(bool((excess(bound.weights) < 0).all()), bound, 0.0)


def averaged_certificate(
    K: Tensor,
    successors: Tensor,
    weights: Tensor,
    descent: Descent,
    polyak: float,
    period: int = 1,
    uncertainty: float = 0.0,
) -> TDErrorCertificate:
    """Bound the same with an averaged target, θ̄ ← (1 − τ)θ̄ + τθ after every C updates.

    ε are the errors of θ̂ on the targets of θ̄, and θ − θ̄ = hPJᵀDm. θ moves by PJᵀD(T₁ε + T₂u), with
    T₁ = p₁(B) − c r₁(B) and T₂ = p₂(B) − c(r₂(B) − 1), so by the mean value of the maximum

        ε ← ε − K(P₁ε + P₂u) + τK'_w D(hm + T₁ε + T₂u),   u ← R₁ε + R₂u,
        m ← (1 − τ)(m + (T₁ε + T₂u)/h)

    Args:
        K: kernel ``[N, N]``.
        successors: K'_a ``[N, A, N]``.
        weights: D ``[N]``.
        descent: without decay.
        polyak: τ.
        period: C.
        uncertainty: error bound of an entry of K or K'.

    >>> one, none = torch.ones(1, dtype=torch.float64), torch.zeros(1, 1, 1, dtype=torch.float64)
    >>> for α in (0.001, 0.1):
    ...     averaged_certificate(one[:, None], none, one, Descent(α, momentum=0.9), 0.05).holds
    True
    False
    """
    size, d = len(K), descent
    h, c = d.learning_rate * d.total_gain, d.learning_rate * d.lead
    of = period_of(K, weights, d, period)
    (p1, p2), (r1, r2), zero = of.moved, of.velocity, of.at_rest
    t1, t2 = p1 - c * r1, p2 - c * (r2 - 1)
    at_rest = [float(zero[2, i] - c * (zero[1, i] - i)) for i in range(2)]
    eye, none = torch.eye(size, dtype=K.dtype), torch.zeros_like(K)
    fixed = torch.cat([of.weighted(p1), of.weighted(p2), none], 1)  # P [N, 3N]
    target = torch.cat([of.weighted(t1), of.weighted(t2), h * torch.diag(weights)], 1)
    rows = polyak * (successors @ target) - (K @ fixed)[:, None, :]
    lag = torch.cat([of.function(t, f) for t, f in zip((t1, t2), at_rest, strict=True)], 1)
    velocity = torch.cat(
        [of.function(r1, float(zero[1, 0])), of.function(r2, float(zero[1, 1])) - eye, none], 1
    )
    below = torch.cat([(1 - polyak) / h * lag, -polyak * eye], 1)
    slack = uncertainty * (fixed.abs() + polyak * target.abs()).sum(0)
    return td_error_certificate(rows, slack, torch.cat([velocity, below]))
