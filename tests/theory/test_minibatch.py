"""Mean-square stability against the dense second-moment map, enumeration and simulation."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_step
from qdiverge.theory.minibatch import check_minibatch, critical_learning_rate
from tests.theory.problems import F, random_problem


def stable_matrix(seed, size=4, num_features=9):
    problem = random_problem(
        seed, size=size, num_actions=1, num_features=num_features, scale=0.5, discount=0.8
    )
    return problem.successors[:, 0] - problem.K


def second_moment_radius(A, batches, learning_rate):
    """Spectral radius of E[M ⊗ M] over (probability, counts) of every batch."""
    size = len(A)
    total = np.zeros((size * size, size * size))
    for probability, counts in batches:
        M = np.eye(size) + learning_rate / counts.sum() * A.numpy() * counts
        total += probability * np.kron(M, M)
    return float(np.abs(np.linalg.eigvals(total)).max())


def without_replacement(size, b):
    chosen = list(itertools.combinations(range(size), b))
    for batch in chosen:
        counts = np.zeros(size)
        counts[list(batch)] = 1
        yield 1 / len(chosen), counts


def with_replacement(rho, b):
    for batch in itertools.product(range(len(rho)), repeat=b):
        counts = np.bincount(batch, minlength=len(rho)).astype(float)
        yield float(np.prod([float(rho[i]) for i in batch])), counts


@given(seed=st.integers(0, 10**6), b=st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_critical_step_is_where_the_enumerated_second_moment_turns(seed, b):
    A = stable_matrix(seed)
    critical = critical_learning_rate(A, b)
    if critical == 0.0:
        assert float(torch.linalg.eigvals(A).real.max()) >= 0
        return
    for factor, side in ((0.999, -1), (1.001, 1)):
        radius = second_moment_radius(A, without_replacement(4, b), factor * critical)
        assert (radius - 1) * side > 0


@given(seed=st.integers(0, 10**6), b=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_critical_step_with_replacement_and_any_weights(seed, b):
    A = stable_matrix(seed)
    rho = random_problem(seed, size=4).rho
    critical = critical_learning_rate(A, b, rho)
    if critical == 0.0:
        assert float(torch.linalg.eigvals(A * rho).real.max()) >= 0
        return
    for factor, side in ((0.999, -1), (1.001, 1)):
        radius = second_moment_radius(A, with_replacement(rho, b), factor * critical)
        assert (radius - 1) * side > 0


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_full_batch_is_the_deterministic_step_and_larger_batches_allow_more(seed):
    A = stable_matrix(seed)
    steps = [critical_learning_rate(A, b) for b in (1, 2, 3, 4)]
    deterministic = largest_step(torch.linalg.eigvals(A / 4), Descent(1.0))
    assert steps[-1] == pytest.approx(deterministic, rel=1e-7)
    assert all(one <= two * (1 + 1e-8) for one, two in itertools.pairwise(steps))


def test_tabular_closed_form():
    """K = k·I at γ = 0: one pair at a time needs αk < 2, all N at once αk/N < 2."""
    A = -3.0 * torch.eye(5, dtype=F)
    for b in range(1, 6):  # E(1 − αk E_i/b)² < 1 ⇔ αk < 2b
        assert critical_learning_rate(A, b) == pytest.approx(2 * b / 3, rel=1e-9)


def test_singular_kernel_keeps_only_what_moves():
    """One parameter, four equal pairs: any batch is the full gradient."""
    A = -torch.ones(4, 4, dtype=F)
    for b in (1, 2, 4):
        assert critical_learning_rate(A, b) == pytest.approx(2.0, rel=1e-9)


def test_large_population_uses_arnoldi_and_agrees_at_the_full_batch():
    A = stable_matrix(0, size=40, num_features=90)
    full = critical_learning_rate(A, 40)
    assert full == pytest.approx(largest_step(torch.linalg.eigvals(A / 40), Descent(1.0)), rel=1e-6)
    assert critical_learning_rate(A, 4) < critical_learning_rate(A, 20) < full


def test_unstable_mean_is_zero_and_says_so():
    report = check_minibatch(torch.eye(2, dtype=F), 1, 0.1)
    assert report.critical_learning_rate == 0.0
    assert not report.is_stable
    assert "no batch size helps" in str(report)


def test_batch_larger_than_the_population():
    with pytest.raises(InvalidValueError, match=r"batch_size must lie in 1…2"):
        critical_learning_rate(-torch.eye(2, dtype=F), 3)


def test_where_nothing_moves_no_step_is_stable():
    assert critical_learning_rate(torch.zeros(3, 3, dtype=F), 2) == 0.0


@pytest.mark.parametrize("seed", range(8))
def test_directions_that_do_not_move_take_no_part(seed):
    """Regression with fewer features than pairs; the whole population: α < 2N/λ_max(ΦΦᵀ)."""
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed), dtype=F)
    K = features @ features.T
    expected = 2 * 6 / float(torch.linalg.eigvalsh(K).max())
    assert critical_learning_rate(-K, 6) == pytest.approx(expected)
