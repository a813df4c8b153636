"""The verdict against simulation, on random problems with greedy switching."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.theory.problems import (
    F,
    check,
    random_problem,
)

# --- Certificates attacked with random problems and greedy switching ------------------------------


@given(
    seed=st.integers(0, 10**6),
    num_actions=st.integers(1, 3),
    scale=st.floats(0.1, 2.0),
    num_features=st.sampled_from([8, 60]),
    period=st.sampled_from([1, 1, 3, 20]),
    learning_rate=st.sampled_from([0.01, 0.1, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_verdicts_against_simulation_with_greedy_switching(
    seed, num_actions, scale, num_features, period, learning_rate
):
    problem = random_problem(seed, num_actions=num_actions, scale=scale, num_features=num_features)
    learning_rate /= num_features / 8
    generator = torch.Generator().manual_seed(seed + 1)
    weights = torch.randn(num_features, generator=generator, dtype=F)
    report = check(problem, weights, learning_rate, target_period=period)
    if report.verdict == "certified":
        v = report.certificate.bound.weights
        for _ in range(3):
            weights = 10 * torch.randn(num_features, generator=generator, dtype=F)
            norm = start = float((problem.td_errors(weights) / v).abs().max())
            for _ in range(10):
                if norm < 1e-8 * start:  # float64 holds no more of the errors
                    break
                target = weights.clone()
                for _ in range(period):
                    weights = problem.update(weights, learning_rate, target)
                new = float((problem.td_errors(weights) / v).abs().max())
                if report.certificate.holds:
                    assert new <= norm * report.certified_modulus * (1 + 1e-6) + 1e-13 * start
                norm = new
    if report.verdict == "divergent":
        assert grows_along_its_mode(problem, report, learning_rate, period)


def grows_along_its_mode(problem, report, learning_rate, period):
    """Start far out on the mode, either sign, with rewards: the linear system must keep growing."""
    kept = report.divergent_actions
    for direction, radius in growing_directions(problem, kept, learning_rate, period):
        weights = 1e6 * direction
        rounds = min(30, int(100 / math.log10(max(radius, 1.01))))  # stay below 1e110
        for _ in range(rounds):
            target = weights.clone()
            for _ in range(period):
                weights = problem.update(weights, learning_rate, target)
        is_growing = float(weights.norm()) > 0.99e6 * float(direction.norm()) * radius**rounds
        moved = problem.discounts > 0  # a terminated row has no greedy action
        if is_growing and bool((problem.greedy(weights) == kept)[moved].all()):
            return True
    return False


def own_map(problem, chosen, learning_rate, period):
    """A period of the parameters' own map as a matrix, by autograd, the greedy actions fixed."""

    def one_period(weights):
        target = weights
        for _ in range(period):
            error = problem.discounts * (chosen @ target) - problem.features @ weights
            weights = weights + learning_rate * problem.features.T @ (problem.rho * error)
        return weights

    return torch.func.jacrev(one_period)(torch.zeros(problem.features.shape[1], dtype=F))


def growing_directions(problem, greedy, learning_rate, period):
    """Eigenvectors of the parameters' own map at fixed greedy actions, by autograd."""
    rows = torch.arange(len(greedy))
    chosen = problem.successor_features[rows, greedy]

    M = own_map(problem, chosen, learning_rate, period)
    eigenvalues, vectors = torch.linalg.eig(M)
    largest = eigenvalues.abs().argmax()
    v, radius = vectors[:, largest], float(eigenvalues[largest].abs())
    return [(u, radius) for u in (v.real, -v.real, v.imag, -v.imag) if float(u.norm()) > 1e-9]


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.1, 3.0),
    period=st.integers(1, 12),
    learning_rate=st.floats(0.001, 2.0),
    num_features=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_fixed_policy_verdict_is_the_simulation(seed, scale, period, learning_rate, num_features):
    """No switching: certified iff the parameters' own map, built by autograd, is stable."""
    problem = random_problem(seed, num_actions=1, scale=scale, num_features=num_features)
    report = check(problem, torch.zeros(num_features, dtype=F), learning_rate, target_period=period)
    M = own_map(problem, problem.successor_features[:, 0], learning_rate, period)
    span = torch.linalg.svd(problem.features).Vh[: min(5, num_features)]  # reachable parameters
    radius = float(torch.linalg.eigvals(span @ M @ span.T).abs().max())
    assert report.spectral_radius == pytest.approx(radius, rel=1e-7)
    if abs(radius - 1) > 1e-6:
        assert report.verdict == ("certified" if radius < 1 else "divergent")


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.05, 0.6),
    polyak=st.sampled_from([0.005, 0.1, 0.5, 1.0]),
    num_actions=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_polyak_certificate_against_simulation(seed, scale, polyak, num_actions):
    """TD errors and the target's lag shrink together, with real greedy switching."""
    problem = random_problem(seed, num_actions=num_actions, scale=scale, num_features=60)
    weights = torch.randn(60, generator=torch.Generator().manual_seed(seed), dtype=F)
    learning_rate = 0.02
    report = check(problem, weights, learning_rate, polyak=polyak)
    if scale < 0.1:
        assert report.certificate.holds
    if not report.certificate.holds:
        return
    v, pair = report.certificate.bound.weights, torch.stack([weights, weights])
    lag = torch.zeros(5, dtype=F)  # ℓ: θ − θ̄ = Jᵀ(αDℓ), so that the pair of norms is exact
    norm = math.inf
    for _ in range(50):
        errors = problem.td_errors(*pair)
        new_norm = float((torch.cat([errors, lag]).abs() / v).max())
        assert new_norm <= norm * report.certified_modulus * (1 + 1e-9)
        norm = new_norm
        new = problem.update(pair[0], learning_rate, pair[1])
        pair = torch.stack([new, (1 - polyak) * pair[1] + polyak * new])
        lag = (1 - polyak) * (lag + errors)
    torch.testing.assert_close(
        pair[0] - pair[1], learning_rate * problem.features.T @ (problem.rho * lag)
    )


def test_polyak_of_one_is_no_target_network():
    problem = random_problem(4, scale=1.5)
    one = check(problem, torch.ones(8, dtype=F), 0.1, polyak=1.0)
    none = check(problem, torch.ones(8, dtype=F), 0.1)
    assert one.spectral_radius == pytest.approx(none.spectral_radius, rel=1e-9)
