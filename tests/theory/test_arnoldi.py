"""Matrix-free leading eigenvalues against the dense solver."""

import itertools

import pytest
import scipy.sparse.linalg
import torch

from qdiverge.errors import InvalidValueError
from qdiverge.theory import arnoldi
from qdiverge.theory.arnoldi import spectral_bounds
from qdiverge.theory.stability import check_stability
from tests.theory.problems import F, random_problem


def bounds(problem, learning_rate=0.01, **options):
    """From Jacobian products alone: K and K' are never formed."""
    features, chosen = (
        problem.features,
        problem.discounts[:, None] * problem.successor_features[:, 0],
    )
    return spectral_bounds(
        lambda u: features @ (features.T @ u),
        lambda u: chosen @ (features.T @ u),
        problem.rho,
        learning_rate,
        **options,
    )


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_agrees_with_the_dense_solver(scale):
    problem = random_problem(0, size=80, num_actions=1, num_features=120, scale=scale)
    sparse, dense = bounds(problem, dense_limit=10), bounds(problem, dense_limit=100)
    assert dense.is_dense
    assert not sparse.is_dense
    assert sparse.is_converged
    assert sparse.self_excitation == pytest.approx(dense.self_excitation, rel=1e-6)
    report = check_stability(problem.K, problem.successors, rho=problem.rho, learning_rate=0.01)
    assert dense.self_excitation == pytest.approx(report.self_excitation, rel=1e-9)
    assert dense.max_learning_rate == pytest.approx(report.max_learning_rate, rel=1e-9)
    assert sparse.max_learning_rate >= dense.max_learning_rate * (1 - 1e-9)
    assert sparse.spectral_radius <= dense.spectral_radius * (1 + 1e-9)
    if scale == 2.0:
        assert sparse.spectral_radius == pytest.approx(report.spectral_radius, rel=1e-9)
        assert sparse.spectral_radius > 1


def test_is_the_same_every_time_and_leaves_the_random_state():
    import numpy as np

    problem = random_problem(1, size=60, num_actions=1, num_features=90)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = bounds(problem, dense_limit=10), bounds(problem, dense_limit=10)
    assert torch.equal(first.eigenvalues, second.eigenvalues)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_more_pairs_than_parameters():
    """Unmoved directions have μ = 0: no self-excitation, and they do not spoil the step."""
    problem = random_problem(2, size=50, num_actions=1, num_features=4, scale=0.3)
    result = bounds(problem)
    report = check_stability(problem.K, problem.successors, rho=problem.rho, learning_rate=0.01)
    assert result.max_learning_rate == pytest.approx(report.max_learning_rate, rel=1e-6)


def test_products_must_be_finite_and_of_the_right_size():
    rho = torch.tensor([0.5, 0.5], dtype=F)
    with pytest.raises(InvalidValueError, match="what kernel_product returns must be finite"):
        spectral_bounds(lambda u: u * float("nan"), lambda u: u, rho, 0.1)


@pytest.mark.parametrize("converges", ["nothing", "the right vectors"])
def test_what_arpack_leaves_out_is_never_trusted(converges, monkeypatch):
    """Without a left vector a mode's condition is beyond bounds; without any, all is dense."""
    M = torch.randn(12, 12, generator=torch.Generator().manual_seed(0), dtype=F)
    whole, is_left = arnoldi._arpack, itertools.cycle([False, True])

    def partly(a, count, which):
        num = 0 if next(is_left) or converges == "nothing" else count
        values, vectors = whole(a, count, which)
        return values[:num], vectors[:, :num]

    monkeypatch.setattr(arnoldi, "_arpack", partly)
    found, _, conditions = arnoldi.leading_eigenpairs(M)
    expected = torch.linalg.eigvals(M)
    assert found.abs().max() == pytest.approx(float(expected.abs().max()))
    if converges == "nothing":
        assert len(found) == 12
        assert 1 <= float(conditions.min()) <= float(conditions.max()) < 1e3
    else:
        assert float(conditions.min()) > 1e100


def test_what_did_not_converge_is_said_and_the_rest_is_used(monkeypatch):
    problem = random_problem(0, size=80, num_actions=1, num_features=120)
    whole = scipy.sparse.linalg.eigs

    def impatient(*arguments, **options):
        found = whole(*arguments, **options)
        raise scipy.sparse.linalg.ArpackNoConvergence("too slow", found[:3], None)

    monkeypatch.setattr(scipy.sparse.linalg, "eigs", impatient)
    result = bounds(problem, dense_limit=10)
    assert not result.is_converged
    assert len(result.eigenvalues) == 6
    dense = bounds(problem, dense_limit=100)
    assert dense.is_converged
    assert result.self_excitation == pytest.approx(dense.self_excitation, rel=1e-6)


@pytest.mark.parametrize("which", ["LM", "LR"])
def test_modes_are_the_same_every_time(which):
    M = torch.randn(40, 40, generator=torch.Generator().manual_seed(0), dtype=F).numpy()
    (first, ours), (second, theirs) = (arnoldi._arpack(M, 6, which) for _ in range(2))
    assert (first == second).all()
    assert (ours == theirs).all()
