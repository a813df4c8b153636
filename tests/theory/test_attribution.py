"""Shares that sum to the eigenvalue, and derivatives against finite differences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.theory.attribution import attribute
from tests.theory.problems import F, baird, random_problem


def blocks(problem):
    """Split the features in two parameter blocks."""
    chosen = problem.discounts[:, None] * problem.successor_features[:, 0]
    features = problem.features
    cut = features.shape[1] // 2
    parts = {"body": slice(0, cut), "head": slice(cut, None)}
    kernels = {name: features[:, s] @ features[:, s].T for name, s in parts.items()}
    successors = {name: chosen[:, s] @ features[:, s].T for name, s in parts.items()}
    return kernels, successors


@given(seed=st.integers(0, 10**6), num_features=st.integers(2, 8))
@settings(max_examples=40, deadline=None)
def test_shares_sum_to_the_eigenvalue(seed, num_features):
    problem = random_problem(seed, num_actions=1, num_features=num_features, scale=2.0)
    kernels, successors = blocks(problem)
    result = attribute(kernels, successors, problem.rho, learning_rate=0.1)
    AD = (problem.successors[:, 0] - problem.K) * problem.rho
    spectrum = torch.linalg.eigvals(AD)
    assert float((spectrum - result.eigenvalue).abs().min()) < 1e-9
    assert abs(1 + 0.1 * result.eigenvalue) == pytest.approx(
        float((1 + 0.1 * spectrum).abs().max())
    )
    tolerance = 1e-9 * result.condition
    assert sum(result.layers.values()) == pytest.approx(result.eigenvalue.real, abs=tolerance)
    assert float(result.pairs.sum()) == pytest.approx(result.eigenvalue.real, abs=tolerance)
    weighted = float((result.rho_gradient * problem.rho).sum())  # λ is homogeneous in ρ
    assert weighted == pytest.approx(result.eigenvalue.real, abs=tolerance)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_gradient_in_the_weights_is_the_finite_difference(seed):
    problem = random_problem(seed, num_actions=1, scale=2.0)
    kernels, successors = blocks(problem)
    result = attribute(kernels, successors, problem.rho)
    if result.condition > 50:
        return
    A = problem.successors[:, 0] - problem.K

    def nearest(rho):
        spectrum = torch.linalg.eigvals(A * rho)
        return spectrum[(spectrum - result.eigenvalue).abs().argmin()].real

    h = 1e-6
    for j in range(5):
        step = torch.zeros(5, dtype=F)
        step[j] = h
        slope = float(nearest(problem.rho + step) - nearest(problem.rho - step)) / (2 * h)
        assert float(result.rho_gradient[j]) == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_baird_the_shared_weight_is_to_blame():
    """Only w_8 carries state 7's value to the others; the private weights damp."""
    star = baird()
    shared = star.features.clone()
    shared[:, :7] = 0
    private = star.features - shared
    chosen = 0.99 * star.successor_features[:, 0]
    kernels = {"private": private @ private.T, "shared": shared @ shared.T}
    successors = {"private": chosen @ private.T, "shared": chosen @ shared.T}
    result = attribute(kernels, successors, star.rho)
    assert result.eigenvalue.real == pytest.approx(0.2392505, abs=5e-8)
    assert result.layers["shared"] > 0 > result.layers["private"]
    assert float(result.rho_gradient[6]) < 0 < float(result.rho_gradient[:6].min())
    assert "shared +" in str(result)


def test_condition_is_that_of_the_eigenvalue():
    K = {"all": torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=F)}
    successors = {"all": torch.tensor([[2.0, 8.0], [0.0, 0.0]], dtype=F)}
    result = attribute(K, successors)  # AD = [[.5, 4], [0, −.5]]
    assert result.eigenvalue.real == pytest.approx(0.5)
    assert result.condition == pytest.approx((1 + (4 / 1.0) ** 2) ** 0.5)


@pytest.mark.parametrize(
    ("kernels", "successors", "message"),
    [
        ({}, {}, "same parameter blocks, at least one"),
        ({"a": torch.eye(2)}, {"b": torch.eye(2)}, r"\['a'\] and \['b'\]"),
        ({"a": torch.eye(2)}, {"a": torch.ones(2, 3, 2)}, r"every block must be \[2, 2\]"),
    ],
)
def test_bad_blocks(kernels, successors, message):
    with pytest.raises(InvalidValueError, match=message):
        attribute(kernels, successors)
