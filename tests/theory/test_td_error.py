"""The TD-error certificate: optimal among weighted norms, sound under switching."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.theory.td_error import td_error_certificate, td_increments
from tests.theory.problems import F, random_problem


def worst_selection(increments):
    """max over row-wise selections of ρ(|I + X_w|): what no weighted sup norm can beat."""
    size, num_actions, _ = increments.shape
    worst = 0.0
    for choice in itertools.product(range(num_actions), repeat=size):
        M = torch.eye(size, dtype=F) + increments[torch.arange(size), list(choice)]
        worst = max(worst, float(torch.linalg.eigvals(M.abs()).abs().max()))
    return worst


@given(
    seed=st.integers(0, 10**6),
    num_actions=st.integers(1, 3),
    scale=st.floats(0.05, 1.5),
    learning_rate=st.floats(1e-4, 0.5),
)
@settings(max_examples=40, deadline=None)
def test_best_weights_reach_the_optimum(seed, num_actions, scale, learning_rate):
    problem = random_problem(seed, size=4, num_actions=num_actions, scale=scale, num_features=20)
    X = td_increments(problem.K, problem.successors, learning_rate * problem.rho)
    certificate = td_error_certificate(X)
    optimum = worst_selection(X)
    assert certificate.modulus >= optimum - 1e-12
    assert certificate.bound.lower_bound <= optimum + 1e-12
    assert certificate.holds == (certificate.modulus < 1)
    if optimum < 1 - 1e-9:  # then a certificate exists, and it is found
        assert certificate.holds


@given(seed=st.integers(0, 10**6), learning_rate=st.floats(0.001, 0.2))
@settings(max_examples=30, deadline=None)
def test_td_errors_shrink_under_arbitrary_mixtures(seed, learning_rate):
    problem = random_problem(seed, num_actions=3, scale=0.3, num_features=40)
    X = td_increments(problem.K, problem.successors, learning_rate * problem.rho)
    bound = td_error_certificate(X).bound
    generator = torch.Generator().manual_seed(seed)
    delta = torch.randn(5, generator=generator, dtype=F)
    for _ in range(20):
        mixture = torch.rand(5, 3, generator=generator, dtype=F).pow(5)
        mixture = mixture / mixture.sum(1, keepdim=True)
        moved = delta + torch.einsum("ia,iaj,j->i", mixture, X, delta)
        norm = float((delta.abs() / bound.weights).max())
        assert float((moved.abs() / bound.weights).max()) <= bound.weighted_modulus * norm * (
            1 + 1e-12
        )
        delta = moved


def test_first_modulus_is_the_formula():
    problem = random_problem(3, num_actions=2)
    step = 0.3 * problem.rho
    bound = td_error_certificate(td_increments(problem.K, problem.successors, step)).bound
    for i in range(5):
        sums = []
        for a in range(2):
            row = [
                abs(
                    float(i == j)
                    + float(step[j]) * float(problem.successors[i, a, j] - problem.K[i, j])
                )
                for j in range(5)
            ]
            sums.append(sum(row))
        assert float(bound.row_modulus[i]) == pytest.approx(max(sums), rel=1e-12)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_largest_factor_is_certified_below_and_not_above(seed):
    problem = random_problem(seed, scale=0.2, num_features=60)
    X = td_increments(problem.K, problem.successors, 1e-3 * problem.rho)
    certificate = td_error_certificate(X)
    v, factor = certificate.bound.weights, certificate.largest_factor

    def modulus(multiple):
        M = torch.eye(5, dtype=F)[:, None, :] + multiple * X
        return float(((M.abs() @ v) / v[:, None]).max())

    if factor == 0.0:
        assert modulus(1e-6) >= 1 - 1e-12
    else:
        assert modulus(factor * (1 - 1e-9)) < 1 < modulus(factor * (1 + 1e-9))


def test_rows_of_very_different_speed_are_still_certified():
    """ρ over ten orders of magnitude: power iteration alone would need 10¹⁰ rounds."""
    size = 6
    rho = torch.logspace(0, -10, size, dtype=F)
    rho = rho / rho.sum()
    K = torch.eye(size, dtype=F)
    K[0, :] = K[:, 0] = 0.4
    K[0, 0] = 1.0
    successors = 0.3 * K.roll(1, 0)[:, None, :]
    certificate = td_error_certificate(td_increments(K, successors, 0.1 * rho))
    assert certificate.holds


def test_uncertainty_withholds_the_certificate():
    X = -1e-9 * torch.eye(3, dtype=F)[:, None, :]
    assert td_error_certificate(X).holds
    assert not td_error_certificate(X, torch.full((3,), 1e-9, dtype=F)).holds


@pytest.mark.parametrize("seed", range(20))
def test_how_slow_each_row_is_does_not_matter_to_the_certificate(seed):
    """Row i of X times s_i ≤ 1: X_ii v_i + Σ|X_ij| v_j < 0 keeps its sign, whatever the actions."""
    problem = random_problem(seed, size=4, num_actions=3, scale=0.5, num_features=20)
    X = td_increments(problem.K, problem.successors, 1e-2 * problem.rho)
    speeds = torch.logspace(0, -9, 4, dtype=F)
    optimum = worst_selection(X)
    if abs(optimum - 1) > 1e-9:
        assert td_error_certificate(speeds[:, None, None] * X).holds == (optimum < 1)
