"""Certificates: the row condition, the exact moduli, TD errors, target networks, noise."""

from collections.abc import Iterator
from itertools import product

import numpy as np
import torch

from experiments.sanity.check import Check, at_most, close, crossing, relative, same
from qdiverge.mdp import (
    MDP,
    kernel_operator,
    measure_contraction,
    sampled_operator,
    tabular_operator,
    value_iteration,
    worst_pair,
)
from qdiverge.mdp.problems import garnet
from qdiverge.theory import StabilityReport, check_contraction, check_stability, sup_norm_modulus

F = torch.float64


def row_condition() -> Iterator[Check]:
    """Check Achiam's row condition and its exact form."""
    bound = check_contraction(torch.eye(2, dtype=F), discount=0.99).row_ratio_bound
    yield close("bound of the row ratio at γ = .99", bound, 0.005025, 5e-7)
    product_ = float(np.prod(1 - 1 / (np.arange(1e6) + 2) ** 2))
    yield close("β_k = 1 − 1/(k+2)²: the product of all", product_, 0.5, 1e-6)
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(50):
        J, rho, α, γ = (
            rng.normal(size=(5, 4)),
            rng.dirichlet(np.ones(5)),
            rng.random(),
            rng.random(),
        )
        K = J @ J.T
        G = α * K * rho
        brute = (np.abs(np.eye(5) - G) + γ * np.abs(G)).sum(1)
        moduli = check_contraction(torch.tensor(K), torch.tensor(rho), γ, α).row_modulus
        worst = max(worst, np.abs(moduli.numpy() - brute).max())
    yield at_most("|1−x| + γx + (1+γ)o is Σ_j |δ_ij − αK_ijρ_j| + αγ|K_ij|ρ_j: error", worst, 1e-13)


def exact_modulus() -> Iterator[Check]:
    """Check the exact sup-norm modulus on closed index sets (section 2.1)."""
    worst = slack = 0.0
    for seed in range(20):
        mdp = garnet(3, 2, 2, 0.9, seed=seed)
        J = np.random.default_rng(seed).normal(size=(6, 4))
        U = kernel_operator(mdp, J @ J.T, 0.5)
        worst = max(worst, abs(U.modulus - _over_policies(mdp, U.step)))
        row = check_contraction(torch.tensor(J @ J.T), discount=0.9, learning_rate=0.5).modulus
        slack = max(slack, U.modulus - row)
    yield at_most("it is the maximum over all policies: error", worst, 1e-12)
    yield at_most("it never exceeds the row-wise modulus: excess", slack, 1e-12)
    K, rho = (
        torch.tensor([[1.0, 3.0], [3.0, 100.0]], dtype=F),
        torch.tensor([0.999, 0.001], dtype=F),
    )
    P = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=F)
    H = 0.01 * K * rho
    radius = float(torch.linalg.eigvals(torch.eye(2, dtype=F) - H + 0.5 * H @ P).abs().max())
    comparison = (torch.eye(2, dtype=F) - H).abs() + 0.5 * H.abs()
    unsound = float(torch.linalg.eigvals(comparison).abs().max())
    yield close("trap: true spectral radius", radius, 1.00296, 5e-6)
    yield close("trap: what the unsound comparison matrix claims", unsound, 0.99991, 5e-6)
    best = sup_norm_modulus(K, P, rho, 0.5, 0.01).weighted_modulus
    yield same("trap: the exact modulus certifies it in some norm", best < 1, False)


def operators() -> Iterator[Check]:
    """Check U₁, U₂ and U₃ on a random MDP of 20 states and 3 actions, γ = .9."""
    mdp = garnet(20, 3, 3, 0.9)
    rng = np.random.default_rng(0)
    rho, J = rng.uniform(1, 2, 60), rng.normal(size=(60, 20)) / 20
    rho /= rho.sum()
    closed = {"U1": 1 - 0.1 * 0.5, "U2": 1 - 0.1 * 30 * rho.min()}
    kernel = np.eye(60) + 0.02 * J @ J.T
    all_three = {
        "U1": tabular_operator(mdp, 0.5),
        "U2": sampled_operator(mdp, 30.0, rho),
        "U3": kernel_operator(mdp, kernel, 30.0, rho),
    }
    q_star = value_iteration(mdp, 1e-12).q
    for name, U in all_three.items():
        if name in closed:
            yield close(f"{name}: 1 − (1−γ)α min ρ", U.modulus, closed[name], 1e-13)
        yield close(
            f"{name}: contraction of the worst pair",
            U.contraction(*worst_pair(U)),
            U.modulus,
            1e-12,
        )
        run = measure_contraction(U, q_star + rng.normal(size=q_star.shape), q_star, 30)
        yield at_most(f"{name}: largest factor of 30 updates", run.factors.max(), U.modulus)


def equicorrelated() -> Iterator[Check]:
    """Check K = I + d·11ᵀ with the cyclic successor: how conservative each certificate is."""
    N, γ = 12, 0.9

    def report(d: float) -> StabilityReport:
        K = torch.eye(N, dtype=F) + d
        return check_stability(K, γ * K.roll(-1, 0), learning_rate=0.01)

    def row_holds(d: float) -> bool:
        return check_contraction(torch.eye(N, dtype=F) + d, discount=γ, learning_rate=0.01).holds

    bound = (1 - γ) / ((1 + γ) * (N - 1))
    d = crossing(row_holds, 0.0, 1.0)
    yield relative("row condition: d/(1+d) < (1−γ)/((1+γ)(N−1))", d / (1 + d), bound, 1e-6)
    d = crossing(lambda d: report(d).certificate.bound.modulus < 1, 1e-6, 1.0, 40)
    yield relative("TD-error certificate: d < 1/(N−4)", d, 1 / (N - 4), 1e-6)
    for d in (0.1, 10.0, 1000.0):
        K = torch.eye(N, dtype=F) + d
        excitation = check_stability(K, γ * K.roll(-1, 0), learning_rate=1e-4).self_excitation
        yield at_most(f"in truth stable at d = {d:g}: max Re eig(AD)", excitation, 0.0)


def _over_policies(mdp: MDP, step: np.ndarray) -> float:
    """Return max over deterministic policies of ‖I − G + γG P_π‖∞."""
    S, A = mdp.rewards.shape
    best = 0.0
    for policy in product(range(A), repeat=S):
        P = np.zeros((S * A, S * A))
        P[:, np.arange(S) * A + policy] = mdp.continuing.toarray()
        best = max(best, np.abs(np.eye(S * A) - step + mdp.discount * step @ P).sum(1).max())
    return best
