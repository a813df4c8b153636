"""One verdict from the whole ladder: certified, divergent or undecided."""

import math
from functools import partial

from torch import Tensor

from qdiverge.checks import check_integer, check_positive, check_step_share, check_switch
from qdiverge.theory.augmented_map import mode_radii
from qdiverge.theory.decision import decide, of_minibatches
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_regression_step, largest_step
from qdiverge.theory.linear_system import LinearSystem
from qdiverge.theory.matrix_checks import (
    check_kernel,
    check_rho,
    check_successors,
    check_weights,
    on_cpu,
    precision,
)
from qdiverge.theory.minibatch import check_minibatch, mean_square_growth
from qdiverge.theory.spectral import Reachable, transient_gain
from qdiverge.theory.stability_report import RegressionBaseline, StabilityReport
from qdiverge.theory.target_network import check_target_network
from qdiverge.thing_checks import check_instance

_STEP_TOLERANCE = 1e-9  # relative, of the largest stable step with a target network


def check_stability(
    K: Tensor,
    successor_kernel: Tensor,
    greedy_actions: Tensor | None = None,
    rho: Tensor | None = None,
    learning_rate: float = 1e-4,
    target_period: int = 1,
    *,
    polyak: float | None = None,
    batch_size: int | None = None,
    descent: Descent | None = None,
    sample_weights: Tensor | None = None,
    is_double: bool = False,
) -> StabilityReport:
    """Tell whether the linearised Q-learning update on these pairs converges or diverges.

    Under gradient descent the TD errors move by δ ← (I + (K'_w − K)P_C) δ with row-wise mixtures w
    over the successor actions, P_1 = αD; momentum, decay and an averaged target make the state
    longer (:mod:`qdiverge.theory.augmented_map`). Certified: a weighted sup norm of that state
    shrinks for every w (for a fixed policy: the spectral radius is below 1). Divergent: at the
    greedy actions a dominant eigenvalue lies outside the unit disc and its growth keeps the
    actions under which it grows.

    Args:
        K: kernel ``[N, N]``.
        successor_kernel: γ(1 − d_i) k((s'_i, a), x_j), ``[N, A, N]``, or ``[N, N]`` for a fixed
            policy; terminated rows are zero, truncated ones are not.
        greedy_actions: of the successors ``[N]``; needed when A > 1.
        rho: sampling distribution ``[N]``; uniform by default.
        learning_rate: α of the loss ½ Σ ρ_i δ_i² (twice the optimiser's for torch's ``mse_loss``).
        target_period: C, updates between two hard copies of the target network, or averagings.
        polyak: τ of an averaged target, θ̄ ← (1 − τ)θ̄ + τθ, instead of hard copies.
        batch_size: updates are on so many of the N pairs, drawn at random. Adds their mean-square
            stability at these actions, which is known of plain gradient descent without a target
            network; certified is then what is stable in mean square, too, and divergent what the
            noise of the draws does not undo.
        descent: momentum, decay and the learning rate of the optimiser, in place of
            ``learning_rate``; K and K' are then preconditioned as its steps are.
        sample_weights: importance weight times slope of the loss, ``[N]`` ≥ 0; 1 by default.
        is_double: another network selects the actions than evaluates them, one lagging behind
            the other.

    Raises:
        InvalidTypeError: a tensor of the wrong kind of dtype.
        InvalidValueError: NaN, wrong shapes, an asymmetric K, actions, ρ or scalars out of range.

    >>> import torch
    >>> K = torch.eye(1, dtype=torch.float64)  # w → 2w: features 1 and 2, one weight
    >>> report = check_stability(K, 2 * 0.99 * K, learning_rate=0.1)
    >>> report.verdict, round(report.self_excitation, 12), round(report.spectral_radius, 12)
    ('divergent', 0.98, 1.098)
    """
    checked = check_kernel(K)  # symmetric but for rounding
    successors, greedy = check_successors(successor_kernel, greedy_actions, len(checked))
    target_period = check_integer("target_period", target_period, 1)
    polyak = None if polyak is None else check_step_share("polyak", polyak)
    descent = (
        Descent(check_positive("learning_rate", learning_rate)) if descent is None else descent
    )
    check_instance("descent", descent, Descent)
    check_switch("is_double", is_double)
    system = LinearSystem(
        kernel=on_cpu((checked + checked.T) / 2),
        successors=on_cpu(successors),
        weights=on_cpu(check_rho(rho, checked)) * on_cpu(check_weights(sample_weights, checked)),
        descent=descent,
        period=target_period,
        polyak=polyak,
        eps=precision(K, successor_kernel),
        is_double=is_double,
    )
    greedy, α = greedy.cpu(), check_positive("learning_rate", system.learning_rate)
    A, reach = system.chosen(greedy) - system.kernel, system.reach(greedy)
    plain = system.plain()
    free = plain.modes(reach)
    is_plain = system.descent.is_plain and not system.has_target
    used = free if is_plain else system.modes(reach)
    certificate = system.certificate()
    μ = free.eigenvalues / α  # of AD
    moving = μ[~free.is_neutral]
    radii = mode_radii(moving, system.descent)
    td_radius = float(radii.max()) if len(radii) else 1.0
    minibatch = None
    each = on_cpu(check_weights(sample_weights, checked))
    of_rows = None if rho is None else on_cpu(check_rho(rho, checked))
    if batch_size is not None and is_plain:
        minibatch = check_minibatch(A * each, batch_size, α, of_rows)
    decision = decide(system, greedy, used, certificate)
    if batch_size is not None and not (rho is None and batch_size == len(A)):
        growth = 1.0, math.inf
        if decision.divergent_actions is not None and minibatch is not None:
            kept = decision.divergent_actions
            there = (system.chosen(kept) - system.kernel) * each
            growth = (
                system.radius(system.reach(kept)),
                mean_square_growth(there, batch_size, α, of_rows),
            )
        decision = of_minibatches(decision, minibatch, batch_size, system.is_switching, *growth)
    return StabilityReport(
        verdict=decision.verdict,
        reason=decision.reason,
        divergent_actions=decision.divergent_actions,
        num_pairs=len(A),
        learning_rate=α,
        descent=system.descent,
        target_period=system.period,
        polyak=polyak,
        spectral_radius=used.radius,
        update_radius=system.update_radius(reach, used.radius),
        dominant_eigenvalue=1 + complex(used.eigenvalues[used.dominant]) if len(reach.rates) else 1,
        eigenvalue_condition=float(used.conditions[used.dominant]) if len(reach.rates) else 1.0,
        self_excitation=float(μ.real.max()) if len(reach.rates) else 0.0,
        certified_modulus=certificate.modulus,
        certificate=certificate,
        certified_learning_rate=α * plain.certificate().largest_factor
        if system.descent.is_plain
        else 0.0,
        find_largest_step=partial(_largest_step, system, reach, moving),
        transient_gain=transient_gain(A @ system.step()),
        target_network=check_target_network(
            reach, system.descent, system.period, polyak, used.radius, td_radius, system.eps
        ),
        regression=_baseline(system, reach),
        eigenvalues=μ,
        num_unreachable=reach.num_unreachable,
        num_neutral=int(used.is_neutral.sum()),
        minibatch=minibatch,
    )


def _largest_step(system: LinearSystem, reach: Reachable, eigenvalues: Tensor) -> float:
    """Return the largest stable step: mode by mode, or as a root with a target."""
    if not len(reach.rates):
        return 0.0
    if not system.has_target:
        return largest_step(eigenvalues, system.descent)
    from scipy.optimize import brentq  # half a second, and only where somebody asks

    most = largest_regression_step(reach.rates, system.descent)
    high = 2 * most

    def growth(log_step: float) -> float:  # ln ρ, finite for the search
        radius = system.with_step(math.exp(log_step)).radius(reach)
        return math.log(min(max(radius, 1e-9), 1e9))

    ends = math.log(most * (1 - _STEP_TOLERANCE)), math.log(most * (1 + _STEP_TOLERANCE))
    if growth(ends[0]) < 0 < growth(ends[1]):  # as often: the target lags, and regression decides
        return most
    for _ in range(30):
        high /= 2
        if growth(math.log(high)) < 0:
            break
    else:
        return 0.0
    bracket = math.log(high), math.log(2 * high)
    if growth(bracket[1]) <= 0:
        return 2 * high
    return math.exp(float(brentq(growth, *bracket, xtol=_STEP_TOLERANCE / 4, rtol=1e-14)))


def _baseline(system: LinearSystem, reach: Reachable) -> RegressionBaseline:
    """Return what the pairs do at γ = 0."""
    modulus = system.without_bootstrapping().certificate().modulus
    if not len(reach.rates):
        return RegressionBaseline(1.0, 1.0, 0.0, modulus)
    one = float(mode_radii(-reach.rates, system.descent).max())
    radius = one**system.period if one < 1 or system.period == 1 else float("inf")
    most = largest_regression_step(reach.rates, system.descent)
    return RegressionBaseline(radius, one, most, modulus)
