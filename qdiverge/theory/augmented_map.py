"""The linearised update as it is made: displacement, velocity and target in one map.

In reachable coordinates (:class:`qdiverge.theory.spectral.Reachable`) the parameters are displaced
by PJᵀW z, their velocity is PJᵀW u/α, the target's displacement PJᵀW z̄, and g is Λ' z_b − Λ z with
z_b = z, or z̄ where the target bootstraps. So one update is

    u ← μ u + ακ G,   z ← (1 − αλ_d) z + α a G + b u_old,   G = Λ' z_b − (Λ + λ_c) z

with a and b the shares ``direct`` and ``carried`` of :class:`qdiverge.theory.descent.Descent`.
"""

import torch
from torch import Tensor

from qdiverge.theory.descent import Descent
from qdiverge.theory.spectral import Reachable, largest_modulus


def mode_radii(eigenvalues: Tensor, descent: Descent) -> Tensor:
    """Return max |x| for each mode of AD, without a target network.

    z_b = z leaves a 2 × 2 map to each eigenvalue ν of AD:

        [[1 − αλ_d + αa(ν − λ_c), b], [ακ(ν − λ_c), μ]]

    Args:
        eigenvalues: ν, complex ``[r]``.
        descent: the optimiser's.

    Returns:
        The larger modulus of its two eigenvalues, ``[r]``.

    >>> float(mode_radii(torch.tensor([-1.0 + 0j]), Descent(0.19, momentum=0.81)).round(decimals=9))
    0.9
    """
    d, α = descent, descent.learning_rate
    g = eigenvalues.to(torch.complex128) - d.coupled_decay
    own = 1 - α * d.decay + α * d.direct * g
    trace, det = own + d.momentum, own * d.momentum - d.carried * α * d.gain * g
    root = (trace.square() / 4 - det).sqrt()
    return torch.stack([trace / 2 + root, trace / 2 - root]).abs().amax(0)


def descent_increment(reach: Reachable, descent: Descent) -> Tensor:
    """Return the map of (z, u) without a target network, minus the identity, ``[2r, 2r]``."""
    own, ahead = _own(reach, descent), reach.ahead
    return _increment(descent, own, ahead)


def averaged_increment(
    reach: Reachable, descent: Descent, polyak: float, period: int = 1
) -> Tensor:
    """Return the map of (z, u, z̄) with an averaged target, minus the identity, ``[3r, 3r]``.

    z̄ ← (1 − τ) z̄ + τ z after each step, or after every C of them, as TD3 does (Fujimoto et al.
    2018): of these (z, u)_C = S_C(λ) (z, u)_0 + g_C(λ) ∘ Λ' z̄.
    """
    own, ahead = _own(reach, descent), reach.ahead
    eye, none = torch.eye(len(own), dtype=own.dtype), torch.zeros_like(own)
    if period == 1:
        upper = torch.cat([_increment(descent, own, none), _pushed(descent, ahead)], 1)  # [2r, 3r]
    else:
        S, g = period_powers(reach.rates, descent, period)
        pushed = torch.cat([g[:, :1] * ahead, g[:, 1:] * ahead])
        upper = torch.cat([_powers_increment(S), pushed], 1)
    moved = upper[: len(own)]
    lower = polyak * (moved + torch.cat([eye, none, -eye], 1))
    return torch.cat([upper, lower])


def copied_increment(reach: Reachable, descent: Descent, period: int) -> tuple[Tensor, float]:
    """Return the map of (z, u) over C updates with a hard copy, minus the identity.

    During a period z̄ is where z began, so that each λ of Λ has a 2 × 2 map of its own; with it
    (z, u)_C = S_C(λ) (z, u)_0 + g_C(λ) ∘ Λ' z_0.

    Returns:
        The increment ``[2r, 2r]``, and the norm of what cancels in it.
    """
    S, g = period_powers(reach.rates, descent, period)
    r = len(reach.rates)
    increment = _powers_increment(S)
    pushed = torch.cat([g[:, :1] * reach.ahead, g[:, 1:] * reach.ahead])
    increment[:, :r] += pushed
    return increment, float(torch.linalg.matrix_norm(pushed) + torch.linalg.matrix_norm(increment))


def largest_growth(
    reach: Reachable, descent: Descent, period: int, polyak: float | None = None
) -> float:
    """Return ρ(B_C)^{1/C} of a period that grows beyond float64: m ρ(B_C/m^C)^{1/C}.

    m > 1 is the largest modulus of a mode on fixed targets, so that B_C/m^C stays of order one.

    Args:
        reach: what the parameters can move.
        descent: the optimiser's.
        period: C, updates between two hard copies, or averagings.
        polyak: τ of an averaged target.

    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> reach = Reachable(one, torch.tensor([3.0], dtype=torch.float64), 0 * one, 0, False)
    >>> round(largest_growth(reach, Descent(1.0), 10_000), 6)  # |1 − 3| an update
    2.0
    """
    m = float(mode_radii(-reach.rates, descent).max())
    S, g = period_powers(reach.rates, descent, period, scale=m)
    r, eye = len(reach.rates), torch.eye(2 * len(reach.rates), dtype=S.dtype)
    scaled = _powers_increment(S) + eye
    pushed = torch.cat([g[:, :1] * reach.ahead, g[:, 1:] * reach.ahead])
    if polyak is None:
        scaled[:, :r] += pushed
    else:
        upper, kept = torch.cat([scaled, pushed], 1), torch.zeros(r, 3 * r, dtype=S.dtype)
        kept[:, 2 * r :] = (1 - polyak) * (1 / m) ** period * eye[:r, :r]
        scaled = torch.cat([upper, polyak * upper[:r] + kept])
    return m * largest_modulus(scaled) ** (1 / period)


def period_powers(
    rates: Tensor, descent: Descent, period: int, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return S_C = M^C and g_C = Σ_{k<C} M^k b for each λ, by squaring [[M, b], [0, 1]].

    Args:
        rates: λ, ``[r]``.
        descent: the optimiser's.
        period: C ≥ 0.
        scale: m; S and g are divided by m^C.

    Returns:
        S ``[r, 2, 2]`` and g ``[r, 2]``.

    >>> S, g = period_powers(torch.tensor([2.0]), Descent(0.25), 2)
    >>> S[0, 0, 0].item(), g[0, 0].item()  # (1 − ½)² and ¼ (1 + ½)
    (0.25, 0.375)
    """
    d, α = descent, descent.learning_rate
    λ = rates + d.coupled_decay
    one, zero = torch.ones_like(λ), torch.zeros_like(λ)
    rows = [
        [1 - α * d.decay - α * d.direct * λ, d.carried * one, α * d.direct * one],
        [-α * d.gain * λ, d.momentum * one, α * d.gain * one],
        [zero, zero, one],
    ]
    step = torch.stack([torch.stack(row, -1) for row in rows], -2)  # [r, 3, 3]
    power = torch.linalg.matrix_power(step / scale, period)
    return power[:, :2, :2], power[:, :2, 2]


def _powers_increment(S: Tensor) -> Tensor:
    """Return the map of (z, u) by a 2 × 2 map of each λ, minus the identity, ``[2r, 2r]``."""
    upper = torch.cat([torch.diag(S[:, 0, 0] - 1), torch.diag(S[:, 0, 1])], 1)
    return torch.cat([upper, torch.cat([torch.diag(S[:, 1, 0]), torch.diag(S[:, 1, 1] - 1)], 1)])


def _own(reach: Reachable, descent: Descent) -> Tensor:
    """Return Λ + λ_c."""
    return torch.diag(reach.rates + descent.coupled_decay)


def _increment(descent: Descent, own: Tensor, ahead: Tensor) -> Tensor:
    """Return the map of (z, u), minus the identity, where z_b = z counts ``ahead``."""
    d, α = descent, descent.learning_rate
    eye, G = torch.eye(len(own), dtype=own.dtype), ahead - own
    upper = torch.cat([α * d.direct * G - α * d.decay * eye, d.carried * eye], 1)
    lower = torch.cat([α * d.gain * G, (d.momentum - 1) * eye], 1)
    return torch.cat([upper, lower])


def _pushed(descent: Descent, ahead: Tensor) -> Tensor:
    """Return how z̄ moves (z, u) in one update, ``[2r, r]``."""
    α = descent.learning_rate
    return torch.cat([α * descent.direct * ahead, α * descent.gain * ahead])
