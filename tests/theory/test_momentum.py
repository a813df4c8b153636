"""Momentum against torch.optim.SGD itself."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.theory.momentum import momentum_largest_step, momentum_radius
from tests.theory.problems import F


def random_matrix(seed, size=3):
    M = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=F)
    return M - 2 * torch.eye(size, dtype=F)


@given(
    seed=st.integers(0, 10**6),
    learning_rate=st.floats(0.001, 2.0),
    momentum=st.floats(1e-3, 0.99),
    is_nesterov=st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_radius_is_that_of_torch_sgds_own_map(seed, learning_rate, momentum, is_nesterov):
    """A step is linear in the weights and the buffer of momentum: its matrix, column by column."""
    M, columns = random_matrix(seed), []
    for unit in torch.eye(6, dtype=F):
        weights = torch.nn.Parameter(unit[:3].clone())
        optimizer = torch.optim.SGD([weights], learning_rate, momentum, nesterov=is_nesterov)
        optimizer.state[weights]["momentum_buffer"] = unit[3:].clone()
        weights.grad = -(M @ weights.detach())  # the semi-gradient of a linear problem
        optimizer.step()
        columns.append(torch.cat([weights.detach(), optimizer.state[weights]["momentum_buffer"]]))
    expected = float(torch.linalg.eigvals(torch.stack(columns, 1)).abs().max())
    eigenvalues = torch.linalg.eigvals(M)
    radius = momentum_radius(eigenvalues, learning_rate, momentum, is_nesterov=is_nesterov)
    assert radius == pytest.approx(expected, rel=1e-6)


@given(seed=st.integers(0, 10**6), momentum=st.floats(1e-3, 0.99))
@settings(max_examples=50, deadline=None)
def test_largest_step_is_the_boundary(seed, momentum):
    μ = torch.linalg.eigvals(random_matrix(seed))
    step = momentum_largest_step(μ, momentum)
    if step == 0.0:
        assert float(μ.real.max()) >= 0
        return
    assert momentum_radius(μ, step * (1 - 1e-6), momentum) < 1
    assert momentum_radius(μ, step * (1 + 1e-6), momentum) > 1


def test_rotation_makes_momentum_harmful_and_a_real_mode_gains():
    real, turning = torch.tensor([-1 + 0j]), torch.tensor([-1 + 3j])
    assert momentum_largest_step(real, 0.9) == pytest.approx(3.8)
    assert momentum_largest_step(real, 0.0) == pytest.approx(2.0)
    assert momentum_largest_step(turning, 0.9) < 0.1 * momentum_largest_step(turning, 0.0)


def test_momentum_of_one_is_refused():
    with pytest.raises(InvalidValueError, match=r"momentum must lie in \[0, 1\)"):
        momentum_radius(torch.tensor([-1 + 0j]), 0.1, 1.0)
