"""Momentum against torch.optim.SGD itself and against the companion matrix."""

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
    seed=st.integers(0, 10**6), learning_rate=st.floats(0.001, 2.0), momentum=st.floats(1e-3, 0.99)
)
@settings(max_examples=50, deadline=None)
def test_radius_is_that_of_the_companion_matrix(seed, learning_rate, momentum):
    M, eye = random_matrix(seed), torch.eye(3, dtype=F)
    top = torch.cat([(1 + momentum) * eye + learning_rate * M, -momentum * eye], 1)
    companion = torch.cat([top, torch.cat([eye, torch.zeros(3, 3, dtype=F)], 1)])
    expected = float(torch.linalg.eigvals(companion).abs().max())
    radius = momentum_radius(torch.linalg.eigvals(M), learning_rate, momentum)
    assert radius == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("is_nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.3, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_radius_is_the_growth_of_torch_sgd(seed, momentum, is_nesterov):
    M = random_matrix(seed)
    weights = torch.nn.Parameter(torch.ones(3, dtype=F))
    optimizer = torch.optim.SGD([weights], lr=0.7, momentum=momentum, nesterov=is_nesterov)
    growth = []
    for _ in range(1200):
        weights.grad = -(M @ weights.detach())  # the semi-gradient of a linear problem
        optimizer.step()
        state = optimizer.state[weights]["momentum_buffer"]
        with torch.no_grad():  # the pair (θ, v), rescaled to stay finite
            norm = torch.cat([weights, state]).norm()
            growth.append(float(norm.log()))
            weights /= norm
            state /= norm
    rate = torch.tensor(growth[200:], dtype=F).mean().exp()
    radius = momentum_radius(torch.linalg.eigvals(M), 0.7, momentum, is_nesterov=is_nesterov)
    assert radius == pytest.approx(float(rate), rel=2e-3)


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
