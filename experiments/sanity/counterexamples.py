"""Counterexamples: divergence where it must be, at the predicted rate, and its cures."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from experiments.sanity.check import Check, at_least, at_most, close, crossing, relative, same
from qdiverge import NTK
from qdiverge.mdp import (
    LinearProblem,
    fitted_q_iteration,
    fitted_value_iteration,
    is_averager,
    linear_q_learning,
    td_matrix,
    td_solution,
)
from qdiverge.mdp.fitted import least_squares_fit
from qdiverge.mdp.problems import Spiral, boyan_chain, kolter, nearest_averager, w_to_2w
from qdiverge.mdp.problems import baird as baird_star
from qdiverge.theory import StabilityReport, check_stability

NORMS = {0: 10.344, 100: 16.82634, 500: 101.21534, 1000: 436.85602}  # updates: ‖w‖


def verdict(problem: LinearProblem, learning_rate: float, **options: Any) -> StabilityReport:
    """Return the stability report of a linear problem at its first weights."""
    return check_stability(
        torch.tensor(problem.kernel),
        torch.tensor(problem.successor_kernel(problem.weights)),
        rho=torch.tensor(problem.rho),
        learning_rate=learning_rate,
        **options,
    )


def baird() -> Iterator[Check]:
    """Check Baird's star."""
    star, α = baird_star(0.99), 0.01
    eigenvalues = np.sort(np.linalg.eigvalsh(star.kernel))
    yield at_most(
        "eig(K) is {2, 4 (×5), 13}: error",
        np.abs(eigenvalues - [2, 4, 4, 4, 4, 4, 13]).max(),
        1e-12,
    )
    net = nn.Linear(8, 1, bias=False)
    K = NTK(net, dtype=torch.float64).kernel(torch.tensor(star.features), torch.zeros(7).long())
    yield at_most("the NTK of a linear network is ΦΦᵀ: error", _gap(K, star.kernel), 1e-14)
    report = verdict(star, α)
    rates = np.sort(report.eigenvalues.real.numpy())
    γ = 0.99
    roots = np.sort(np.roots([1, -(17 * γ - 15) / 7, 26 * (1 - γ) / 49]))
    yield at_most("eig(AD) is −4/7 five times: error", np.abs(rates[:5] + 4 / 7).max(), 1e-12)
    yield close("larger root of λ² − (17γ−15)/7·λ + 26(1−γ)/49", rates[6], roots[1], 1e-12)
    yield close("the same, to the published digits", rates[6], 0.2392505, 5e-8)
    yield close("smaller root", rates[5], 0.0221781, 5e-8)
    threshold = crossing(lambda g: verdict(baird_star(g), 1e-3).self_excitation < 0, 0.5, 0.99)
    yield close("diverges for every small step iff γ > 15/17", threshold, 15 / 17, 1e-9)
    path = np.linalg.norm(linear_q_learning(star, 12_000, α), axis=1)
    for count, norm in NORMS.items():
        yield close(
            f"‖w‖ after {count} updates, α = {α}", path[count], norm, 5e-6 if count else 5e-4
        )
    yield close("‖w‖ after 1000 steps of torch's SGD", _sgd_norm(star, α, 1000), NORMS[1000], 5e-6)
    growth = (path[12_000] / path[11_000]) ** (1 / 1000)
    yield close("growth of ‖w‖ per update is 1 + 0.01 λ", growth, 1 + α * roots[1], 1e-9)
    yield same("verdict", report.verdict, "divergent")


def baird_target_network() -> Iterator[Check]:
    """Check that a hard target cures Baird's star."""
    star, α = baird_star(0.99), 0.01
    period = verdict(star, α).target_network.first_stable_period
    yield same("first period with a spectral radius below 1", period, 77)
    for period, grows in ((76, True), (77, False)):
        report = verdict(star, α, target_period=period)
        rate = _simulated_radius(star, α, period)
        yield close(
            f"C = {period}: simulated growth per period", rate, report.spectral_radius, 1e-9
        )
        yield same(f"C = {period}: grows", bool(rate > 1), grows)
    for period, holds in ((1331, False), (1332, True)):
        certified = verdict(star, α, target_period=period).certificate.bound.modulus < 1
        yield same(f"C = {period}: certified in the sup norm", certified, holds)
    path = linear_q_learning(star, 1332 * 10, α, target_period=1332)[::1332]
    errors = np.abs(star.td_errors(path)).max(1)
    yield at_most(
        "C = 1332: largest growth of ‖δ‖∞ per period", (errors[1:] / errors[:-1]).max(), 1.0
    )


def w_doubles() -> Iterator[Check]:
    """Check the chain w → 2w, and its fitted two-state form (Tsitsiklis & Van Roy)."""
    for γ in (0.4, 0.5, 0.99):
        step = linear_q_learning(w_to_2w(γ), 1, 1.0)[1, 0] - 1
        yield close(f"TD coefficient 2γ − 1 at γ = {γ}", step, 2 * γ - 1, 1e-14)
    threshold = crossing(lambda g: verdict(w_to_2w(g), 0.1).spectral_radius < 1, 0.3, 0.9)
    yield close("diverges iff γ > ½", threshold, 0.5, 1e-9)
    for γ, ε in ((0.99, 0.0), (0.99, 0.3), (0.9, 0.2)):
        path = fitted_q_iteration(w_to_2w(γ, ε, first_only=False), 20)[:, 0]
        factor = γ * (6 - 4 * ε) / 5
        what = f"fitted factor γ(6−4ε)/5 at γ = {γ}, ε = {ε}"
        yield close(what, path[-1] ** (1 / 20), factor, 1e-12)


def spiral() -> Iterator[Check]:
    """Check the nonlinear spiral of Tsitsiklis & Van Roy, on-policy."""
    problem = Spiral()
    worst = 0.0
    for w in np.linspace(-5, 50, 23):
        slope = problem.value(w + 1e-30j).imag / 1e-30
        worst = max(worst, np.abs(slope - problem.gradient(w)).max() / np.abs(slope).max())
    yield at_most("dV/dw = (Q + εI)V: relative residual", worst, 1e-13)
    T = problem.blow_up_time
    for share in (0.5, 0.9, 0.99):
        path = problem.run(20_000, share * T / 20_000)
        predicted = -np.log(1 - share) / (2 * problem.epsilon)
        yield relative(f"w at {share} of the blow-up time", path[-1], predicted, 5e-3)
    yield at_least("max |V| at 0.99 of it, from 100 at the start", _peak(problem, path), 500)
    yield same("γ = 0 (regression): w is pushed back", Spiral(discount=0.0).drift(1.0) < 0, True)


def kolter_states() -> Iterator[Check]:
    """Check Kolter's two states."""
    for ε, p in ((0.0, 0.715045), (0.001, 0.711397)):

        def is_positive(x: float, ε: float = ε) -> bool:
            return bool(td_matrix(kolter(x, ε))[0, 0] > 0)

        singular = crossing(is_positive, 0.5, 0.9)
        yield close(f"singular sampling probability, ε = {ε}", singular, p, 5e-7)
        for x, grows in ((singular - 0.02, False), (singular + 0.02, True)):
            path = linear_q_learning(kolter(x, ε), 2_000, 1.0)[:, 0]
            steps = np.abs(np.diff(path))
            yield same(f"p = {x:.4f}, ε = {ε}: updates grow", bool(steps[-1] > steps[0]), grows)
    errors = [abs(td_solution(kolter(p, 0.001))[0] - 1) for p in (0.5, 0.711397)]
    yield at_least(
        "ε = 0.001: TD solution's error, singular over on-policy", errors[1] / errors[0], 1e3
    )


def boyan() -> Iterator[Check]:
    """Check Boyan's chain, on-policy."""
    problem = boyan_chain()
    θ, truth = np.array([-24.0, -16, -8, 0]), -2.0 * np.arange(12, -1, -1)
    yield at_most(
        "Φθ = −2s at θ = (−24, −16, −8, 0): error", _gap(problem.q(θ)[:, 0], truth), 1e-13
    )
    residual = problem.td_errors(θ)[problem.rho > 0]
    yield at_most("and T^π Φθ = Φθ: error", np.abs(residual).max(), 1e-13)
    yield at_most("TD fixed point: error", _gap(td_solution(problem), θ), 1e-10)
    yield same("verdict on-policy", verdict(problem, 0.5).verdict, "certified")
    least = np.linalg.eigvalsh(td_matrix(problem) + td_matrix(problem).T).min() / 2
    yield at_least("ΦᵀD(I − P)Φ is positive definite: least eigenvalue", least, 1e-3)
    path = linear_q_learning(problem, 20_000, 1.0)
    yield at_most("expected TD from 0, 20,000 updates: error", _gap(path[-1], θ), 1e-8)


def averagers() -> Iterator[Check]:
    """Check Gordon's averagers against least squares, on w → 2w with γ = .95."""
    problem, start = w_to_2w(0.95, first_only=False), np.array([1.0, 2.0, 0.0])
    fits = {
        "least squares": problem.features @ least_squares_fit(problem),
        "nearest neighbour": nearest_averager(problem.features, np.array([0])),
    }
    for name, averages in (("least squares", False), ("nearest neighbour", True)):
        path = np.abs(fitted_value_iteration(problem.mdp, fits[name], 100, start)).max(1)
        rate = (path[100] / path[50]) ** (1 / 50)
        yield same(f"{name}: an averager", is_averager(fits[name]), averages)
        yield close(
            f"{name}: factor per iteration", rate, 0.95 * (1.0 if averages else 6 / 5), 1e-12
        )


def _gap(measured: object, expected: object) -> float:
    return float(np.abs(np.asarray(measured) - np.asarray(expected)).max())


def _simulated_radius(problem: LinearProblem, learning_rate: float, period: int) -> float:
    """Return the spectral radius of V ↦ V after one target period, run from each unit vector."""
    Φ = problem.features
    columns = []
    for values in np.eye(len(Φ)):
        start = np.linalg.pinv(Φ) @ values
        held = LinearProblem(problem.mdp, Φ, problem.rho, start)
        path = linear_q_learning(held, period, learning_rate, target_period=period)
        columns.append(Φ @ path[-1])
    return float(np.abs(np.linalg.eigvals(np.stack(columns, axis=1))).max())


def _peak(problem: Spiral, path: np.ndarray) -> float:
    return max(float(np.abs(problem.value(w)).max()) for w in path[::100])


def _sgd_norm(problem: LinearProblem, learning_rate: float, num_updates: int) -> float:
    """Run the semi-gradient on ½ Σ ρδ² in PyTorch, as an agent would."""
    net = nn.Linear(8, 1, bias=False).double()
    net.weight.data[:] = torch.tensor(problem.weights)
    optimizer = torch.optim.SGD(net.parameters(), learning_rate)
    Φ, rho = torch.tensor(problem.features), torch.tensor(problem.rho)
    P = torch.tensor(problem.mdp.dense[:, 0])
    for _ in range(num_updates):
        values = net(Φ)[:, 0]
        target = problem.mdp.discount * P @ values.detach()
        loss = 0.5 * (rho * (target - values) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(net.weight.detach().norm())
