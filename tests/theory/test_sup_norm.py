"""The exact sup-norm modulus against every policy, and the Perron trap."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.theory.row_condition import check_contraction
from qdiverge.theory.sup_norm import sup_norm_modulus
from tests.theory.problems import F


def random_mdp(seed, num_states, num_actions):
    generator = torch.Generator().manual_seed(seed)
    size = num_states * num_actions
    J = torch.randn(size, size + 1, generator=generator, dtype=F)
    rho = torch.rand(size, generator=generator, dtype=F) + 0.01
    P = torch.rand(size, num_states, generator=generator, dtype=F).pow(4)
    P = P / P.sum(1, keepdim=True)
    P[0] *= 0.5  # terminates half of the time
    return J @ J.T, P, rho / rho.sum()


def over_all_policies(K, P, rho, discount, learning_rate, weights=None):
    """max_π of the weighted row sums of I − αH + αγHP_π."""
    size, num_states = P.shape
    num_actions = size // num_states
    v = torch.ones(size, dtype=F) if weights is None else weights
    H = K * rho
    worst = torch.zeros(size, dtype=F)
    for policy in itertools.product(range(num_actions), repeat=num_states):
        Pi = torch.zeros(num_states, size, dtype=F)
        for state, action in enumerate(policy):
            Pi[state, state * num_actions + action] = 1
        M = torch.eye(size, dtype=F) - learning_rate * H + learning_rate * discount * H @ P @ Pi
        worst = torch.maximum(worst, M.abs() @ v / v)
    return worst


@given(
    seed=st.integers(0, 10**6),
    shape=st.sampled_from([(1, 1), (2, 2), (3, 2), (2, 3), (4, 2)]),
    discount=st.floats(0, 1),
    learning_rate=st.floats(0.001, 1.0),
)
@settings(max_examples=40, deadline=None)
def test_equals_brute_force_over_policies_and_is_below_the_row_form(
    seed, shape, discount, learning_rate
):
    K, P, rho = random_mdp(seed, *shape)
    bound = sup_norm_modulus(K, P, rho, discount, learning_rate)
    exact = over_all_policies(K, P, rho, discount, learning_rate)
    torch.testing.assert_close(bound.row_modulus, exact, rtol=1e-12, atol=1e-12)
    loose = check_contraction(K, rho, discount, learning_rate)
    assert bool((bound.row_modulus <= loose.row_modulus + 1e-12).all())
    weighted = over_all_policies(K, P, rho, discount, learning_rate, bound.weights)
    assert bound.weighted_modulus == pytest.approx(float(weighted.max()), rel=1e-12)
    assert bound.lower_bound <= bound.weighted_modulus <= bound.modulus + 1e-15


@given(seed=st.integers(0, 10**6), learning_rate=st.floats(0.001, 0.3))
@settings(max_examples=30, deadline=None)
def test_q_values_approach_each_other_at_the_weighted_modulus(seed, learning_rate):
    K, P, rho = random_mdp(seed, 3, 2)
    bound = sup_norm_modulus(K, P, rho, 0.9, learning_rate)
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randn(6, generator=generator, dtype=F)

    def update(Q):
        return Q + learning_rate * K @ (rho * (rewards + 0.9 * P @ Q.view(3, 2).amax(1) - Q))

    for _ in range(10):
        Q1, Q2 = torch.randn(2, 6, generator=generator, dtype=F)
        before = ((Q1 - Q2).abs() / bound.weights).max()
        after = ((update(Q1) - update(Q2)).abs() / bound.weights).max()
        assert after <= bound.weighted_modulus * before * (1 + 1e-12)


def test_perron_vector_of_the_comparison_matrix_is_a_trap():
    """|I − αH| + αγ|H| is 'certified' at .99991 while the update really grows by 1.00296."""
    K = torch.tensor([[1.0, 3.0], [3.0, 100.0]], dtype=F)
    rho = torch.tensor([0.999, 0.001], dtype=F)
    P = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=F)
    H, eye = K * rho, torch.eye(2, dtype=F)
    comparison = (eye - 0.01 * H).abs() + 0.01 * 0.5 * H.abs()
    assert float(torch.linalg.eigvals(comparison).abs().max()) == pytest.approx(0.99991, abs=5e-6)
    truth = float(torch.linalg.eigvals(eye - 0.01 * H + 0.01 * 0.5 * H @ P).abs().max())
    assert truth == pytest.approx(1.00296, abs=5e-6)
    bound = sup_norm_modulus(K, P, rho, 0.5, 0.01)
    assert bound.weighted_modulus >= truth
    assert bound.weighted_modulus == pytest.approx(bound.lower_bound, rel=1e-6)


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.99])
def test_tabular_one_hot(discount):
    """Self-loops attain 1 − (1 − γ)αρ_i; any other successor leaves it unchanged."""
    rho = torch.tensor([0.6, 0.3, 0.1], dtype=F)
    for P in (torch.eye(3, dtype=F), torch.eye(3, dtype=F).roll(1, 0)):
        bound = sup_norm_modulus(torch.eye(3, dtype=F), P, rho, discount, 0.5)
        expected = 1 - (1 - discount) * 0.5 * rho
        torch.testing.assert_close(bound.row_modulus, expected, rtol=1e-14, atol=0)
        assert bound.modulus == pytest.approx(1 - (1 - discount) * 0.05, rel=1e-14)


@pytest.mark.parametrize(
    ("P", "message"),
    [
        (torch.ones(4, 3) / 3, r"S·A = 4"),
        (torch.ones(4, 0), r"S·A = 4, the pairs of K; got \[4, 0\]"),
        (torch.tensor([[1.5, 0.0]] * 4), r"largest row sum 1.5"),
        (torch.tensor([[1.1, -0.1]] * 4), r"least -0.1"),
        (torch.full((4, 2), float("nan")), r"transitions must be finite"),
    ],
)
def test_bad_transitions(P, message):
    with pytest.raises(InvalidValueError, match=message):
        sup_norm_modulus(torch.eye(4), P)


def test_three_axes_are_pairs_by_states():
    K, P, rho = random_mdp(5, 3, 2)
    flat, cube = sup_norm_modulus(K, P, rho), sup_norm_modulus(K, P.view(3, 2, 3), rho)
    assert torch.equal(flat.row_modulus, cube.row_modulus)
