"""Rates: largest steps, sampling noise, averaged targets, blow-up times."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import torch

from experiments.sanity.check import Check, close, crossing, relative
from experiments.sanity.counterexamples import verdict
from qdiverge.mdp import linear_q_learning
from qdiverge.mdp.problems import baird
from qdiverge.theory import attribute, check_stability, critical_learning_rate, forecast_blow_up


def step_sizes() -> Iterator[Check]:
    """Check the largest stable step, and the critical step under sampling noise."""
    rng = np.random.default_rng(3)
    J = rng.normal(size=(4, 6))
    K = J @ J.T
    following = 0.5 * np.roll(K, 1, 0)
    report = check_stability(torch.tensor(K), torch.tensor(following), learning_rate=1e-3)
    μ = np.linalg.eigvals((K - following) / 4)
    formula = (2 * μ.real / np.abs(μ) ** 2).min()
    yield relative(
        "largest stable step is min 2 Re μ/|μ|²", report.max_learning_rate, formula, 1e-9
    )
    A = following - K
    spectral = crossing(lambda α: _radius(np.eye(4) + α / 4 * A) < 1, 1e-4, 10.0)
    yield relative("and there ρ(I + αAD) is 1", report.max_learning_rate, spectral, 1e-9)
    for batch in (1, 2, 4):
        critical = critical_learning_rate(torch.tensor(A), batch)

        def shrinks(α: float, batch: int = batch) -> bool:
            return _radius(_second_moment(A, α, batch)) < 1

        brute = crossing(shrinks, 1e-4, 10.0)
        yield relative(
            f"batch size {batch}: critical step, all batches enumerated", critical, brute, 1e-6
        )


def averaged_target() -> Iterator[Check]:
    """Check a smoothed target on Baird's star: predicted and simulated growth."""
    star = baird(0.99)
    for τ, α in ((0.5, 0.01), (0.1, 0.01), (0.01, 0.01)):
        report = verdict(star, α, polyak=τ)
        path = linear_q_learning(star, 25_000, α, polyak=τ) @ star.features.T
        size = np.abs(path).max(1)
        rate = (size[-1] / size[-5_000]) ** (1 / 4_999)
        yield close(f"τ = {τ}: growth per update", rate, report.spectral_radius, 1e-5)


def forecasts() -> Iterator[Check]:
    """Check the blow-up time of a two-layer network, and the shares of an eigenvalue."""
    u = v = 1.0
    α, γ, times, values = 1e-4, 0.99, [], []
    t = 0
    while u * v < 1e6:  # w → 2w with V(1) = uv and V(2) = 2uv: dQ/dt = 2(2γ − 1)Q²
        if t % 50 == 0:
            times.append(t * α)
            values.append(u * v)
        δ = (2 * γ - 1) * u * v
        u, v, t = u + α * δ * v, v + α * δ * u, t + 1
    predicted = 1 / (2 * (2 * γ - 1))
    early = len(times) // 2
    forecast = forecast_blow_up(torch.tensor(times[:early]), torch.tensor(values[:early]), depth=2)
    yield relative("two layers: crash time 1/(2(2γ−1)Q₀)", t * α, predicted, 5e-3)
    yield relative("forecast from its first half", forecast.time, predicted, 5e-3)
    star = baird(0.99)
    halves = [star.features[:, :6], star.features[:, 6:]]
    P = star.greedy_transitions(star.weights).toarray()
    blocks = {str(i): torch.tensor(h @ h.T) for i, h in enumerate(halves)}
    after = {str(i): torch.tensor(0.99 * P @ h @ h.T) for i, h in enumerate(halves)}
    shares = attribute(blocks, after).layers
    total = verdict(star, 0.01).self_excitation
    yield close(
        "Baird's star: layer shares sum to the eigenvalue", sum(shares.values()), total, 1e-12
    )


def _second_moment(A: np.ndarray, α: float, batch: int) -> np.ndarray:
    """Return E[M ⊗ M] of one update on a random batch, by enumeration."""
    N = len(A)
    total = np.zeros((N * N, N * N))
    batches = list(combinations(range(N), batch))
    for chosen in batches:
        D = np.zeros(N)
        D[list(chosen)] = 1 / batch
        M = np.eye(N) + α * A * D
        total += np.kron(M, M)
    return total / len(batches)


def _radius(matrix: np.ndarray) -> float:
    return float(np.abs(np.linalg.eigvals(matrix)).max())
