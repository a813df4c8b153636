"""Exact solvers: theorems, closed forms, and one another."""

import numpy as np
import pytest
from hypothesis import example, given, settings

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import (
    MDP,
    NotConvergedError,
    linear_program,
    modified_policy_iteration,
    optimal_backup,
    policy_iteration,
    policy_values,
    q_from_values,
    q_value_iteration,
    soft_maximum,
    soft_policy,
    value_iteration,
)
from qdiverge.mdp.problems import boyan_chain, cliffwalk, garnet, random_gridworld
from tests.mdp import reference
from tests.mdp.strategies import mdps


@settings(deadline=None)
@given(mdps())
def test_the_backup_is_the_definition(mdp):
    q = np.random.default_rng(0).normal(size=mdp.rewards.shape)
    assert np.allclose(optimal_backup(mdp, q), reference.backup(mdp, q), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(mdps())
def test_backups_contract_by_the_discount(mdp):
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, *mdp.rewards.shape))
    for temperature in (0.0, 0.3):
        moved = optimal_backup(mdp, one, temperature) - optimal_backup(mdp, other, temperature)
        assert np.abs(moved).max() <= mdp.discount * np.abs(one - other).max() + 1e-12


SWAPPING = MDP([[[0.5, 0.5], [0.9, 0.1]], [[1, 0], [0.5, 0.5]]], [[0, 2], [2, -1]], 0.9)


@example(SWAPPING)  # known after one backup, where V is ten times what was backed up: rounding
@settings(deadline=None)
@given(mdps(max_states=4, discounts=(0.5, 0.9)))
def test_every_solver_finds_the_best_policy_of_all(mdp):
    best = reference.best_values(mdp)
    for solve in (value_iteration, q_value_iteration, modified_policy_iteration):
        found = solve(mdp, 1e-9)
        assert found.error_bound <= 1e-8
        assert np.abs(found.values - best).max() <= found.error_bound
        assert np.abs(found.q - q_from_values(mdp, best)).max() <= found.error_bound
    assert np.abs(policy_iteration(mdp).values - best).max() <= 1e-10
    assert np.abs(linear_program(mdp).values - best).max() <= 1e-6  # HiGHS: 1e-7 feasibility


@settings(deadline=None)
@given(mdps())
def test_policy_iteration_never_gets_worse_and_ends_greedy(mdp):
    actions = np.zeros(mdp.num_states, dtype=int)
    values = policy_values(mdp, actions)
    scale = 1 + np.abs(values).max()
    for _ in range(50):
        q = q_from_values(mdp, values)
        better = q.argmax(1)
        new = policy_values(mdp, better)
        assert (new >= values - 1e-9 * scale).all()
        if np.abs(new - values).max() <= 1e-9 * scale:
            break
        values = new
    found = policy_iteration(mdp, np.zeros(mdp.num_states, dtype=int))
    assert np.abs(found.values - values).max() <= 1e-7 * scale


def test_evaluation_is_many_sweeps():
    mdp = garnet(6, 2, 3, 0.9)
    actions = np.array([0, 1, 0, 1, 1, 0])
    expected = reference.evaluate(mdp, actions)
    assert np.abs(policy_values(mdp, actions) - expected).max() < 1e-12


def test_evaluation_by_iteration_above_the_direct_limit():
    mdp = garnet(2_100, 2, 3, 0.9)
    policy = np.full((2_100, 2), 0.5)
    V = policy_values(mdp, policy, tolerance=1e-11)
    residual = mdp.rewards.mean(1) + 0.9 * (mdp.transitions @ V).reshape(-1, 2).mean(1) - V
    assert np.abs(residual).max() <= 1e-11


def test_cliffwalk_in_closed_form():
    found = value_iteration(cliffwalk(25, 0.95), 1e-12)
    assert np.abs(found.values[:25] - 10 * 0.95 ** np.arange(24, -1, -1)).max() < 1e-11
    assert found.actions[:25].tolist() == [1] * 25


def test_boyan_at_discount_one():
    mdp = boyan_chain().mdp
    truth = -2.0 * np.arange(12, -1, -1)
    for solve in (value_iteration, policy_iteration, modified_policy_iteration, linear_program):
        assert np.abs(solve(mdp).values - truth).max() < 1e-9
    assert value_iteration(mdp).error_bound == 0.0


def test_shortest_path_at_discount_one_from_a_bad_start():
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, 0, 0] = P[1, 1, 2] = P[2, :, 2] = 1
    found = policy_iteration(MDP(P, [-1, -1, 0], 1.0))
    assert found.values.tolist() == [-2, -1, 0]


def test_a_cycle_that_pays_is_reported():
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    with pytest.raises(NotConvergedError, match="cycle that pays"):
        value_iteration(MDP(P, [1, 0], 1.0), max_iterations=100)
    with pytest.raises(NotConvergedError, match=r"unbounded|infeasible"):
        linear_program(MDP(P, [1, 0], 1.0))


def test_soft_values_tend_to_the_hard_ones():
    mdp = garnet(15, 3, 3, 0.9)
    hard = value_iteration(mdp, 1e-12).values
    for temperature in (1.0, 0.1, 0.01):
        soft = value_iteration(mdp, 1e-12, temperature=temperature).values
        gap = temperature * np.log(3) / (1 - 0.9)
        assert (soft >= hard - 1e-9).all()
        assert (soft <= hard + gap + 1e-9).all()


def test_the_soft_policy_attains_the_soft_value():
    mdp = random_gridworld(6)
    found = value_iteration(mdp, 1e-12, temperature=0.1)
    values = policy_values(mdp, found.policy, temperature=0.1)
    assert np.abs(values - found.values).max() < 1e-10
    by_q = q_value_iteration(mdp, 1e-12, temperature=0.1)
    assert np.abs(by_q.q - found.q).max() < 1e-10


def test_soft_maximum_of_equal_values_adds_the_entropy():
    assert soft_maximum(np.full((1, 4), 7.0), 2.0)[0] == pytest.approx(7 + 2 * np.log(4))
    assert soft_maximum(np.array([[1e4, 0.0]]), 1e-3)[0] == 1e4  # no overflow
    assert soft_policy(np.array([[1.0, 3.0]])).tolist() == [[0.0, 1.0]]
    with pytest.raises(InvalidValueError, match="temperature"):
        soft_maximum(np.zeros((1, 1)), -1.0)


def test_the_bounds_stop_early_where_all_states_change_alike():
    """All states pay 1: V is 1/(1 − γ), known after one backup; γ^n alone would need 10⁴."""
    mdp = MDP(garnet(10, 2, 3).transitions, np.ones((10, 2)), 0.999)
    found = value_iteration(mdp)
    assert found.num_iterations == 1
    assert np.abs(found.values - 1000).max() < 1e-9
    assert value_iteration(garnet(10, 2, 10, 0.999)).num_iterations < 200


@pytest.mark.slow
def test_a_hundred_thousand_states():
    mdp = garnet(100_000, 4, 5, 0.99)
    found = modified_policy_iteration(mdp, 1e-8)
    assert found.error_bound <= 1e-8
    other = value_iteration(mdp, 1e-8)
    assert np.abs(found.values - other.values).max() <= 2e-8
