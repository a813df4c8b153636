"""The three operators: exact moduli against every policy, attained, and measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import LinearProblem, linear_q_learning, value_iteration
from qdiverge.mdp.operators import (
    kernel_operator,
    measure_contraction,
    sampled_operator,
    tabular_operator,
    worst_pair,
)
from qdiverge.mdp.problems import garnet
from tests.mdp import reference
from tests.mdp.strategies import mdps

steps = st.sampled_from([0.1, 0.7, 1.0, 1.4, 2.5])
small = mdps(max_states=3, max_actions=3)


def operators(mdp, α, seed=0):
    rng = np.random.default_rng(seed)
    N = mdp.rewards.size
    rho, J = rng.random(N), rng.normal(size=(N, 3))
    rho /= rho.sum()
    return (
        tabular_operator(mdp, α),
        sampled_operator(mdp, N * α, rho),
        kernel_operator(mdp, J @ J.T, α, rho),
    )


@settings(deadline=None)
@given(small, steps)
def test_moduli_are_the_maximum_over_every_policy(mdp, α):
    for operator in operators(mdp, α):
        step = np.diag(operator.step) if operator.step.ndim == 1 else operator.step
        assert operator.modulus == pytest.approx(reference.modulus_by_policies(step, mdp))


@settings(deadline=None)
@given(mdps(), steps)
def test_moduli_are_attained_and_never_exceeded(mdp, α):
    rng = np.random.default_rng(2)
    for operator in operators(mdp, α):
        assert operator.contraction(*worst_pair(operator)) == pytest.approx(operator.modulus)
        one, other = rng.normal(size=(2, *mdp.rewards.shape))
        assert operator.contraction(one, other) <= operator.modulus + 1e-13 * (1 + operator.modulus)


@settings(deadline=None)
@given(mdps(discounts=(0.5, 0.9)), st.sampled_from([0.1, 0.5, 1.0]))
def test_closed_forms_of_the_diagonal_operators(mdp, α):
    """1 − α(1 − γ), and max_i 1 − (1 − γ)αρ_i, where no pair's successors all end."""
    U1 = tabular_operator(mdp, α)
    assert U1.modulus <= 1 - α * (1 - mdp.discount) + 1e-12
    if not mdp.terminal.any():
        rho = np.full(mdp.rewards.size, 1 / mdp.rewards.size)
        U2 = sampled_operator(mdp, α)
        assert U1.modulus == pytest.approx(1 - α * (1 - mdp.discount), rel=1e-14)
        assert U2.modulus == pytest.approx(1 - (1 - mdp.discount) * α * rho.min(), rel=1e-14)


@settings(deadline=None)
@given(mdps(discounts=(0.5, 0.9)))
def test_every_update_contracts_at_least_as_certified(mdp):
    q_star = value_iteration(mdp, 1e-13).q
    q = q_star + np.random.default_rng(3).normal(size=q_star.shape)
    for operator in operators(mdp, 0.2):
        run = measure_contraction(operator, q, q_star, 20)
        meaningful = run.distances[:-1] > 1e-6
        assert (run.factors[meaningful] <= run.modulus + 1e-6).all()
        if run.modulus < 1:
            assert run.distances[-1] <= run.distances[0] * run.modulus**20 + 1e-9


def test_the_kernel_operator_is_linear_q_learning_seen_in_function_space():
    rng = np.random.default_rng(0)
    problem = LinearProblem(garnet(5, 2, 2, 0.9), rng.normal(size=(10, 4)), weights=np.ones(4))
    U = kernel_operator(problem.mdp, problem.kernel, 0.3, problem.rho)
    weights = linear_q_learning(problem, 10, 0.3)
    q = problem.q(weights[0])
    for t in range(10):
        q = U(q)
        assert np.abs(q - problem.q(weights[t + 1])).max() < 1e-12


def test_the_identity_kernel_is_the_sampled_operator():
    mdp = garnet(6, 2, 3)
    q = np.random.default_rng(0).normal(size=(6, 2))
    one, other = kernel_operator(mdp, np.eye(12), 2.0), sampled_operator(mdp, 2.0)
    assert np.allclose(one(q), other(q))
    assert np.allclose(one.row_modulus, other.row_modulus)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: tabular_operator(m, -1.0), "learning_rate"),
        (lambda m: sampled_operator(m, 1.0, np.ones(6)), "rho"),
        (lambda m: kernel_operator(m, np.eye(3), 1.0), "[6, 6]"),
        (lambda m: kernel_operator(m, np.triu(np.ones((6, 6))), 1.0), "symmetric"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InvalidValueError) as raised:
        call(garnet(3, 2, 2))
    assert says in str(raised.value)
