"""The largest stable step, in closed form and by search: where a mode stops shrinking."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.theory.augmented_map import mode_radii
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_step
from tests.theory.problems import F, random_problem
from tests.theory.real_update import RealUpdate, random_rule


def random_matrix(seed, size=3):
    M = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=F)
    return M - 2 * torch.eye(size, dtype=F)


@given(
    seed=st.integers(0, 10**6),
    momentum=st.floats(1e-3, 0.99),
    is_nesterov=st.booleans(),
    decay=st.sampled_from([0.0, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_largest_step_is_the_boundary(seed, momentum, is_nesterov, decay):
    ν = torch.linalg.eigvals(random_matrix(seed))
    descent = Descent(1.0, momentum, 1 - momentum / 2, is_nesterov, decay=decay)
    step = largest_step(ν, descent)
    if step == 0.0:
        assert descent.total_gain * float(ν.real.max()) >= decay
        return
    assert float(mode_radii(ν, descent.with_rate(step * (1 - 1e-6))).max()) < 1
    assert float(mode_radii(ν, descent.with_rate(step * (1 + 1e-6))).max()) > 1


def test_rotation_makes_momentum_harmful_and_a_real_mode_gains():
    real, turning = torch.tensor([-1 + 0j]), torch.tensor([-1 + 3j])
    plain, heavy = Descent(1.0), Descent(1.0, momentum=0.9)
    assert largest_step(real, heavy) == pytest.approx(3.8)
    assert largest_step(real, plain) == pytest.approx(2.0)
    assert largest_step(turning, heavy) < 0.1 * largest_step(turning, plain)


def test_adams_average_allows_nineteen_times_the_step_of_descent_on_a_terminal_pair():
    adam = Descent(1.0, momentum=0.9, gain=0.1)
    assert largest_step(torch.tensor([-1 + 0j]), adam) == pytest.approx(38.0)


def test_momentum_of_one_is_refused():
    with pytest.raises(InvalidValueError, match=r"momentum must lie in \[0, 1\)"):
        Descent(0.1, momentum=1.0)


@pytest.mark.parametrize("seed", [0, 1, 6, 7, 8, 15, 20, 22, 25, 29, 30])
def test_with_a_target_network_it_is_where_the_real_map_turns_unstable(seed):
    rule = random_rule(seed)
    problem = random_problem(
        seed, num_actions=1, size=4, num_features=3, scale=(0.3, 0.8, 1.2)[seed % 3]
    )
    weights = 0.1 + torch.rand(4, generator=torch.Generator().manual_seed(seed), dtype=F)
    still = torch.zeros(4, dtype=torch.long)

    def radius(step):
        update = RealUpdate(problem, replace(rule, learning_rate=step), None, weights)
        return float(torch.linalg.eigvals(update.parameter_map(still)).abs().max())

    step = RealUpdate(problem, rule, None, weights).verdict(still).max_learning_rate
    assert radius(step * (1 - 1e-6)) < 1 < radius(step * (1 + 1e-6))
