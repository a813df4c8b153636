"""What an MDP is: its ends, its starts, and the errors that name what is wrong."""

import numpy as np
import pytest
from hypothesis import given, settings
from scipy import sparse

from qdiverge.errors import InvalidTypeError, InvalidValueError, QDivergeError
from qdiverge.mdp import (
    MDP,
    InvalidTransitionsError,
    NoProperPolicyError,
    UnreachableStartError,
    discounted_visits,
    induced_chain,
    policy_values,
    visits_within,
)
from qdiverge.mdp.problems import baird, garnet
from tests.mdp.strategies import mdps

LEAVE = np.array([[[0.0, 1.0]], [[0.0, 1.0]]])  # 0 → 1, and 1 stays
SWAP = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])


def test_dense_and_sparse_transitions_give_the_same_problem():
    dense = garnet(6, 2, 3).dense
    R = np.arange(12.0).reshape(6, 2)
    one = MDP(dense, R, 0.9)
    other = MDP(sparse.coo_array(dense.reshape(12, 6)), R, 0.9)
    assert np.array_equal(one.dense, other.dense)
    assert np.array_equal(one.dense, dense)


def test_rewards_of_outcomes_become_their_expectation():
    P = np.array([[[0.25, 0.75]], [[0.0, 1.0]]])
    mdp = MDP(P, np.array([[[4.0, 8.0]], [[0.0, 0.0]]]), 0.9)
    assert mdp.rewards[0, 0] == 0.25 * 4 + 0.75 * 8


def test_a_state_that_stays_for_nothing_is_terminal_unless_told_otherwise():
    assert MDP(LEAVE, [1, 0], 0.9).terminal.tolist() == [False, True]
    assert MDP(LEAVE, [1, 1], 0.9).terminal.tolist() == [False, False]
    assert not baird().mdp.terminal.any()


def test_arrays_are_copies_and_read_only():
    R = np.ones((2, 1))
    mdp = MDP(SWAP, R, 0.9)
    R[:] = 7
    assert mdp.rewards[0, 0] == 1
    for array in (mdp.rewards, mdp.start, mdp.terminal, mdp.transitions.data):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((SWAP * 0.9, [0, 0], 0.9), InvalidTransitionsError, "0.9 for state 0, action 0"),
        (([[[1.5, -0.5]], [[0, 1]]], [0, 0], 0.9), InvalidTransitionsError, "-0.5 for state 0"),
        ((SWAP, [0, 0], 1.0), NoProperPolicyError, "2 such states, 0 terminal"),
        ((LEAVE, [0, 1], 1.0), NoProperPolicyError, "discount < 1"),
        ((LEAVE, [1, 0], 0.9, 1), UnreachableStartError, "all terminal"),
        ((LEAVE, [1, 0], 0.9, 2), UnreachableStartError, "0 … 1; got 2"),
        ((LEAVE, [1, 0], 0.9, [0.5, 0.6]), InvalidValueError, "sum 1.1"),
        ((LEAVE, [1, 0], 1.5), InvalidValueError, "discount"),
        ((LEAVE, [1, np.nan], 0.9), InvalidValueError, "nan at [1]"),
        ((LEAVE, [1, 0, 0], 0.9), InvalidValueError, "[S, A] = [2, 1]"),
        ((LEAVE[0], [1, 0], 0.9), InvalidValueError, "got [1, 2]"),
        ((sparse.csr_array(np.eye(3)[:, :2]), [1, 0], 0.9), InvalidValueError, "got [3, 2]"),
        ((LEAVE, [1, 0], 0.9, 0, [[1.0]]), InvalidValueError, "S = 2"),
        ((LEAVE, [1, 0], 0.9, 0, None, [True, False]), InvalidValueError, "state 0, which can"),
        ((LEAVE, [1, 0], 0.9, 0, None, [True]), InvalidValueError, "bool [2]"),
        ((LEAVE, [1, 0], 0.9, 0, None, None, 0), InvalidValueError, "horizon"),
        ((LEAVE, "none", 0.9), InvalidTypeError, "rewards"),
    ],
)
def test_bad_input_is_named(arguments, error, says):
    with pytest.raises(error) as raised:
        MDP(*arguments)
    assert says in str(raised.value)
    assert isinstance(raised.value, QDivergeError)


def test_rows_are_normalised_within_the_tolerance():
    mdp = MDP(SWAP * (1 + 1e-10), [0, 1], 0.9)
    assert np.array_equal(mdp.dense, SWAP)


def test_reachable_states():
    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = P[1, 0, 0] = P[2, 0, 0] = 1
    assert MDP(P, [1, 1, 1], 0.9).reachable.tolist() == [True, True, False]


def test_the_chain_of_a_policy_keeps_states_that_never_end():
    assert induced_chain(baird().mdp, np.zeros(7, int)).terminal.sum() == 0


@settings(deadline=None)
@given(mdps())
def test_values_are_rewards_at_the_visited_pairs(mdp):
    """(1 − γ)⁻¹-normalised: startᵀV_π = Σ d(s, a) R(s, a) · Σ_t γᵗ Pr(not over)."""
    policy = np.full(mdp.rewards.shape, 1 / mdp.num_actions)
    visits = discounted_visits(mdp, policy)
    assert visits.sum() == pytest.approx(1)
    assert visits[mdp.terminal].sum() == 0
    alive_time = mdp.start @ policy_values(_paying_one(mdp), policy)
    value = mdp.start @ policy_values(mdp, policy)
    assert value == pytest.approx(alive_time * (visits * mdp.rewards).sum(), abs=1e-9)


def _paying_one(mdp):
    ones = np.where(mdp.terminal[:, None], 0.0, np.ones_like(mdp.rewards))
    return MDP(mdp.transitions, ones, mdp.discount, terminal=mdp.terminal)


def test_a_long_horizon_gives_the_discounted_visits():
    mdp = garnet(8, 2, 3)
    policy = np.full((8, 2), 0.5)
    exact = discounted_visits(mdp, policy)
    assert np.abs(visits_within(mdp, policy, 800, mdp.discount) - exact).max() < 1e-12
    first = visits_within(mdp, policy, 1)
    assert np.allclose(first, mdp.start[:, None] / 2)


def test_an_improper_policy_is_refused_at_discount_one():
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    mdp = MDP(P, [[-1, -1], [0, 0]], 1.0)
    assert policy_values(mdp, [1, 0])[0] == -1
    with pytest.raises(NoProperPolicyError, match="no end from state 0"):
        policy_values(mdp, [0, 0])
    with pytest.raises(NoProperPolicyError, match="visits_within"):
        discounted_visits(mdp, [0, 0])


@pytest.mark.parametrize(
    ("policy", "says"),
    [([0, 2], "0 … 0"), ([[0.5], [1.0]], "at state 0"), ([[1.0, 0.0]], "integer actions [2]")],
)
def test_bad_policies_are_named(policy, says):
    with pytest.raises(InvalidValueError) as raised:
        policy_values(MDP(LEAVE, [1, 0], 0.9), policy)
    assert says in str(raised.value)
