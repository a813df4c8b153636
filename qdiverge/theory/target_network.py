"""Target networks: hard synchronisation every C updates, and Polyak averaging."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from qdiverge.theory.augmented_map import copied_increment
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_regression_step
from qdiverge.theory.spectral import Reachable, largest_modulus, spectral_radius

_LONGEST = 2**20  # updates


def period_gain(rates: Tensor, learning_rate: float, period: float) -> Tensor:
    """Return g_C(λ) = Σ_{k<C} α(1 − αλ)^k = (1 − (1 − αλ)^C)/λ; αC at λ = 0, 1/λ for C = ∞.

    >>> period_gain(torch.tensor([0.0, 2.0]), 0.25, 2)
    tensor([0.5000, 0.3750])
    """
    if math.isinf(period):
        return 1 / rates
    x = learning_rate * rates
    decay = torch.where(x <= 1, -torch.expm1(period * torch.log1p(-x)), 1 - (1 - x) ** period)
    is_zero = rates.abs() < torch.finfo(rates.dtype).tiny
    return torch.where(is_zero, learning_rate * period, decay / rates.masked_fill(is_zero, 1))


def period_step(K: Tensor, rho: Tensor, learning_rate: float, period: int) -> Tensor:
    """Return P_C, the step of one whole period: B_C = I + (K' − K) P_C; P_1 = αD.

    With S = (I − αKD)^C = I − K P_C and Γ = K'K⁻¹, B_C = S + Γ(I − S) without an inverse:

        P_C = αD Σ_{k<C} (I − αKD)^k = D^½ U g_C(Λ) Uᵀ D^½,   D^½KD^½ = UΛUᵀ.

    Args:
        K: kernel, float64 ``[N, N]``.
        rho: ``[N]``.
        learning_rate: α.
        period: C ≥ 1 updates between two copies.

    >>> period_step(torch.eye(1), torch.ones(1), 0.5, 2)  # 1 − (1 − ½)²
    tensor([[0.7500]])
    """
    root = rho.sqrt()
    rates, U = torch.linalg.eigh(root[:, None] * K * root)
    W = root[:, None] * U
    return (W * period_gain(rates.clamp(min=0), learning_rate, period)) @ W.T


def period_increment(reach: Reachable, learning_rate: float, period: float) -> tuple[Tensor, float]:
    """Return B_C − I = (Λ' − Λ) g_C(Λ) in reachable coordinates, and the norm of what cancels.

    C may be ∞, where no direction has λ = 0.
    """
    gain = period_gain(reach.rates, learning_rate, period)
    ahead, own = reach.ahead * gain, reach.rates * gain
    scale = float(torch.linalg.matrix_norm(ahead) + torch.linalg.vector_norm(own))
    return ahead - torch.diag(own), scale


def polyak_increment(reach: Reachable, learning_rate: float, polyak: float) -> Tensor:
    """Return the increment of one update with the averaged target θ̄ ← (1 − τ)θ̄ + τθ.

    In coordinates (z, z̄) of (θ, θ̄), with Λ = WᵀKW and Λ' = WᵀK'W,

        [z; z̄] ← [[I − αΛ, αΛ'], [τ(I − αΛ), (1 − τ)I + ταΛ']] [z; z̄];

    τ = 1 is TD, and for τ → 0 it is stable iff Re eig(K'K⁻¹) < 1.

    Args:
        reach: the reachable coordinates, r of them.
        learning_rate: α.
        polyak: τ in (0, 1].

    Returns:
        The matrix minus the identity, ``[2r, 2r]``.
    """
    own = torch.diag(learning_rate * reach.rates)
    other = learning_rate * reach.ahead
    eye = torch.eye(len(own), dtype=own.dtype)
    upper = torch.cat([-own, other], 1)
    lower = torch.cat([polyak * (eye - own), polyak * (other - eye)], 1)
    return torch.cat([upper, lower])


@dataclass(frozen=True)
class TargetNetworkReport:
    """What the target network does, and what another period would do."""

    period: int
    polyak: float | None
    radius: float  # with the period or τ in use; per period for a hard copy
    td_radius: float  # ρ(B_1): no target network
    fitted_radius: float | None  # C → ∞: ρ(K'K⁻¹), or with decay; None where it does not exist
    first_stable_period: int | None  # found by doubling; None where none was; longer ones may fail
    condition_number: float  # of D^½KD^½ on what moves
    advice: str

    def __str__(self) -> str:
        return self.advice


def check_target_network(
    reach: Reachable,
    descent: Descent,
    period: int,
    polyak: float | None,
    radius: float,
    td_radius: float,
    eps: float,
) -> TargetNetworkReport:
    """Compare no target network, the one in use and fitted Q (C → ∞), and advise.

    | ρ(B_1) | ρ(K'K⁻¹) | meaning                                                 |
    |--------|----------|---------------------------------------------------------|
    | > 1    | < 1      | a long enough period cures it                           |
    | > 1    | > 1      | no period cures it in the limit: extrapolation          |
    | < 1    | > 1      | long periods destabilise                                |
    | < 1    | < 1      | fine at both ends; the period in use decides            |
    """
    pull = descent.coupled_decay + descent.decay / descent.total_gain
    is_invertible = (not reach.has_loose_directions or pull > 0) and len(reach.rates) > 0
    fitted = None
    if is_invertible:  # at rest on a target z̄: Λ'z̄ = (Λ + λ_c + αλ_d/h) z
        fitted = largest_modulus(reach.ahead / (reach.rates + pull)[:, None])
    most = largest_regression_step(reach.rates, descent) if len(reach.rates) else 0.0
    is_regressing = descent.learning_rate < most
    first = None
    if td_radius < 1:
        first = 1
    elif fitted is not None and fitted < 1 and is_regressing:
        first = first_stable_period(reach, descent, eps)
    condition = float(reach.rates.max() / reach.rates.min()) if len(reach.rates) else math.inf
    return TargetNetworkReport(
        period=period,
        polyak=polyak,
        radius=radius,
        td_radius=td_radius,
        fitted_radius=fitted,
        first_stable_period=first,
        condition_number=condition,
        advice=_advice(td_radius, fitted, radius, first, is_regressing, reach, descent),
    )


def first_stable_period(reach: Reachable, descent: Descent, eps: float) -> int | None:
    """Return a small C with ρ(B_C) < 1, by doubling and halving; None beyond a million updates.

    Stability is not monotone in C where a mode oscillates, as momentum makes it: a smaller C may be
    stable, and a larger one not.
    """

    def is_stable(period: int) -> bool:
        if descent.is_plain:
            increment, scale = period_increment(reach, descent.learning_rate, period)
        else:
            increment, scale = copied_increment(reach, descent, period)
        return spectral_radius(increment, eps, scale) < 1

    high = 1
    while not is_stable(high):
        high *= 2
        if high > _LONGEST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_stable(middle) else (middle, high)
    return high


def _advice(
    td_radius: float,
    fitted: float | None,
    radius: float,
    first: int | None,
    is_regressing: bool,
    reach: Reachable,
    descent: Descent,
) -> str:
    """Put the table of THEORY into a sentence: what to do, then the values."""
    if not len(reach.rates):
        return "The kernel is zero: nothing moves, with or without a target network."
    if not is_regressing:
        largest = largest_regression_step(reach.rates, descent)
        limit = "2/λ_max = " if descent.is_plain else ""
        return (
            f"The step {descent.learning_rate:.3g} is too large even for regression on fixed "
            f"targets, which needs one below {limit}{largest:.3g}: lower it before anything else."
        )
    ends = f"ρ(B_1) = {td_radius:.6g} without a target network"
    if fitted is None:
        return (
            "What ever longer target periods do cannot be told from this batch: more pairs would, "
            f"since the successors move in directions in which its kernel is singular ({ends})."
        )
    now = "stable" if radius < 1 else "unstable"
    ends += f", ρ(K'K⁻¹) = {fitted:.6g} for ever longer periods; now {now}, {radius:.6g}"
    if td_radius >= 1 and fitted < 1:
        if not first:
            return (
                "A target network with a long enough period cures it, beyond "
                f"C = {_LONGEST} updates ({ends})."
            )
        return (
            f"A target network cures it: a period of C = {first} updates is stable, and so are "
            f"long enough ones; some between may not be, so diagnose the one you take ({ends})."
        )
    if td_radius >= 1:
        return (
            "Here no period cures it in the limit: the extrapolation to the successors is at "
            "fault. LayerNorm, data that covers the successors, or PreQN may help "
            f"({ends})."
        )
    if fitted >= 1:
        return f"With this data long periods destabilise: keep the target network's short ({ends})."
    here = "" if radius < 1 else ", but not as it is now"
    return (
        f"A target network is stable at both ends, the shortest and the longest period{here} "
        f"({ends})."
    )
