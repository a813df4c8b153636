"""Spectrum of the TD-error map: steps, reach, transient growth, proofs by squaring."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.theory.decision import is_growing
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_step
from qdiverge.theory.spectral import (
    Modes,
    is_contracting,
    modes,
    reachable_directions,
    spectral_radius,
    transient_gain,
)
from tests.theory.problems import F, random_problem

EPS = 2.3e-16


@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 8),
    num_features=st.integers(1, 10),
    num_zero=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_reachable_spectrum_is_that_of_the_parameters(seed, size, num_features, num_zero):
    """N × N on what moves = Jᵀ(D(J' − J)) on the parameters that the data reach."""
    problem = random_problem(seed, size=size, num_actions=1, num_features=num_features)
    rho = problem.rho.clone()
    rho[: min(num_zero, size - 1)] = 0
    rho = rho / rho.sum()
    reach = reachable_directions(problem.K, problem.successors[:, 0], rho, EPS)
    rank = min(int((rho > 0).sum()), num_features)
    assert reach.basis.shape[1] == rank
    assert reach.num_unreachable == size - rank
    ours = torch.linalg.eigvals(reach.ahead - torch.diag(reach.rates))
    difference = problem.discounts[:, None] * problem.successor_features[:, 0] - problem.features
    G = problem.features.T @ (rho[:, None] * difference)
    span = torch.linalg.svd(rho.sqrt()[:, None] * problem.features).Vh[:rank]
    theirs = torch.linalg.eigvals(span @ G @ span.T)
    distances = (ours[:, None] - theirs[None, :]).abs()
    scale = float(theirs.abs().max())
    assert float(distances.min(1).values.max()) < 1e-6 * scale
    assert float(distances.min(0).values.max()) < 1e-6 * scale


def test_successor_outside_the_range_of_a_singular_kernel_is_noticed():
    """K cannot move the second pair, K' is moved by it: K'K⁻¹ is undefined."""
    K = torch.diag(torch.tensor([1.0, 0.0], dtype=F))
    successors = torch.tensor([[0.0, 0.5], [0.0, 0.0]], dtype=F)
    rho = torch.tensor([0.5, 0.5], dtype=F)
    assert reachable_directions(K, successors, rho, EPS).has_loose_directions
    assert not reachable_directions(K, 0.5 * K, rho, EPS).has_loose_directions


@given(seed=st.integers(0, 10**6), size=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_largest_stable_step_is_the_boundary(seed, size):
    M = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=F)
    M = M - 1.2 * size**0.5 * torch.eye(size, dtype=F)
    μ = torch.linalg.eigvals(M)
    step = largest_step(μ, Descent(1.0))
    if step == 0.0:
        assert float(μ.real.max()) >= 0
    else:
        assert modes(step * (1 - 1e-6) * M, EPS).radius < 1
        assert modes(step * (1 + 1e-6) * M, EPS).radius > 1


@given(seed=st.integers(0, 10**6), size=st.integers(1, 6), scale=st.floats(0.1, 1.5))
@settings(max_examples=60, deadline=None)
def test_squaring_proves_what_the_eigenvalues_say(seed, size, scale):
    M = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=F)
    M = scale * M / size**0.5
    radius = float(torch.linalg.eigvals(M).abs().max())
    if abs(radius - 1) > 1e-6:
        assert is_contracting(M - torch.eye(size, dtype=F)) == (radius < 1)


def test_transient_gain_of_a_shear_and_the_condition_of_its_eigenvalues():
    """[[a, s], [0, b]]: κ = √(1 + s²/(a − b)²), and one step can enlarge by the 2-norm."""
    a, b, s = 0.5, 0.25, 4.0
    M = torch.tensor([[a, s], [0.0, b]], dtype=F)
    increment = M - torch.eye(2, dtype=F)
    found = modes(increment, EPS)
    assert found.radius == pytest.approx(0.5)
    assert float(found.conditions[0]) == pytest.approx(math.sqrt(1 + (s / (a - b)) ** 2))
    assert transient_gain(increment) == pytest.approx(float(torch.linalg.svdvals(M)[0]))
    assert is_contracting(increment)


def test_nilpotent_chain_is_contracting_although_its_eigenvalues_scatter():
    """A defective matrix: eigenvalues are off by ε^{1/N}, squaring is not fooled."""
    increment = -0.5 * torch.eye(30, dtype=F) + 0.49 * torch.diag(torch.ones(29, dtype=F), 1)
    assert is_contracting(increment)
    assert float(modes(increment, EPS).conditions.max()) > 1e6


def test_overflow_has_infinite_radius():
    assert math.isinf(modes(torch.full((2, 2), math.inf, dtype=F), EPS).radius)


def test_beyond_the_dense_limit_the_leading_modes_agree():
    generator = torch.Generator().manual_seed(0)
    M = torch.randn(60, 60, generator=generator, dtype=F) / 60**0.5
    M[0, 0] += 3.0
    dense, sparse = modes(M, EPS), modes(M, EPS, dense_limit=20)
    assert dense.is_complete
    assert not sparse.is_complete
    assert sparse.radius == pytest.approx(dense.radius, rel=1e-9)
    i, j = dense.dominant, sparse.dominant
    assert float(sparse.conditions[j]) == pytest.approx(float(dense.conditions[i]), rel=1e-6)
    overlap = (dense.vectors[:, i].conj() @ sparse.vectors[:, j]).abs()
    assert float(overlap) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(
    "increment",
    [
        torch.zeros(0, 0, dtype=F),
        torch.zeros(3, 3, dtype=F),
        torch.tensor([[-0.5, 3.0], [0.0, -0.2]], dtype=F),
        torch.diag(torch.tensor([1e-18, -0.5], dtype=F)),
        torch.full((2, 2), math.inf, dtype=F),
    ],
    ids=["empty", "still", "moving", "one still", "overflow"],
)
def test_the_cheap_radius_is_that_of_the_modes(increment):
    assert spectral_radius(increment, EPS) == pytest.approx(modes(increment, EPS).radius)


@pytest.mark.parametrize(
    ("excess", "condition", "grows"),
    [(1e-10, 1.0, True), (1e-10, 1e8, False), (1e-13, 1.0, False), (1e-3, 1e8, True)],
)
def test_a_mode_grows_only_by_more_than_rounding_moves_it(excess, condition, grows):
    """Rounding moves an eigenvalue by its condition times the resolution, here 1e-12."""
    ν = torch.tensor([excess, -0.5], dtype=torch.complex128)
    conditions = torch.tensor([condition, 1.0], dtype=F)
    still = torch.zeros(2, dtype=torch.bool)
    found = Modes(ν, torch.eye(2, dtype=ν.dtype), conditions, still, 1e-12, torch.diag(ν.real))
    assert is_growing(found) == grows
    assert not is_growing(modes(torch.zeros(0, 0, dtype=F), EPS))
