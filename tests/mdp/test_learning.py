"""Q-learning and linear learning against expectations and fixed points."""

import numpy as np
import pytest
from hypothesis import given, settings

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import (
    MDP,
    LinearProblem,
    Sampler,
    epsilon_greedy,
    fitted_q_iteration,
    fitted_value_iteration,
    is_averager,
    linear_q_learning,
    q_learning,
    td_solution,
    value_iteration,
    visit_rate,
)
from qdiverge.mdp.fitted import least_squares_fit
from qdiverge.mdp.problems import boyan_chain, cliffwalk, garnet, kolter, nearest_averager, w_to_2w
from tests.chance import SIGMAS, assert_drawn
from tests.mdp.sampled import sampled_linear_q_learning
from tests.mdp.strategies import mdps


@settings(deadline=None)
@given(mdps())
def test_samples_follow_the_transitions(mdp):
    sampler = Sampler(mdp, seed=3)
    for s in range(mdp.num_states):
        drawn = sampler.next_states(np.full(2_000, s), np.zeros(2_000, int))
        assert_drawn(np.bincount(drawn, minlength=mdp.num_states), mdp.dense[s, 0])


def test_q_learning_reaches_q_star():
    """Off by 0.0019 ± 0.0007 of max|Q*| over 100 seeds: 0.02 is 26 deviations away."""
    mdp = garnet(4, 2, 2, 0.6, seed=2)
    run = q_learning(
        mdp, 30_000, learning_rate=visit_rate(0.7), explore=epsilon_greedy(1.0), num_seeds=20
    )
    q_star = value_iteration(mdp).q
    assert np.abs(run.q.mean(0) - q_star).max() < 0.02 * np.abs(q_star).max()
    assert run.visits.sum() == 20 * 30_000


def test_optimistic_values_explore_where_pessimistic_ones_do_not():
    """A greedy agent walks the cliff only if it believes that what it has not tried is better.

    From optimistic values Q stays above Q* and sinks where it is tried, so that what is tried last
    is right, whatever the ties; of 2,000 seeds the slowest had its final policy at step 700.
    """
    mdp = cliffwalk(8)
    greedy = {"explore": epsilon_greedy(0.0), "num_seeds": 5, "learning_rate": 0.5}
    hopeful = q_learning(mdp, 4_000, initial=20.0, **greedy)
    assert (hopeful.q[:, :8].argmax(2) == 1).all()
    assert (hopeful.visits[:, 7, 1] > 10).all()


def test_seeds_repeat():
    mdp = garnet(5, 2, 2, rewarded=1.0)  # every state pays: other paths have other values
    one, two = (q_learning(mdp, 100, num_seeds=3, seed=4) for _ in range(2))
    assert np.array_equal(one.q, two.q)
    assert not np.array_equal(one.q[0], one.q[1])


def test_epsilon_greedy_breaks_ties_evenly():
    actions = epsilon_greedy(0.0)(np.zeros((9_000, 3)), np.random.default_rng(0))
    assert_drawn(np.bincount(actions, minlength=3), np.full(3, 1 / 3))


def test_boyan_td_finds_the_truth():
    problem = boyan_chain()
    theta = np.array([-24.0, -16, -8, 0])
    assert np.abs(problem.q(theta)[:, 0] + 2 * np.arange(12, -1, -1)).max() < 1e-13
    # The last feature is 0 everywhere but at states 1 … 3, and at the end (which has ρ = 0).
    assert np.abs(td_solution(problem) - theta).max() < 1e-10
    path = linear_q_learning(problem, 20_000, 1.0)
    assert np.abs(path[-1] - theta).max() < 1e-8


def test_kolter_td_solution_at_the_exact_features_is_exact():
    assert td_solution(kolter(0.5))[0] == pytest.approx(1.0)


@pytest.mark.parametrize("discount", [0.3, 0.49, 0.51, 0.9])
def test_w_to_2w_grows_iff_gamma_exceeds_one_half(discount):
    path = linear_q_learning(w_to_2w(discount), 100, 0.1)[:, 0]
    assert path[-1] == pytest.approx((1 + 0.1 * (2 * discount - 1)) ** 100)
    assert (path[-1] > 1) == (discount > 0.5)


@pytest.mark.parametrize(("discount", "epsilon"), [(0.99, 0.0), (0.9, 0.2), (0.5, 0.9)])
def test_fitting_both_states_multiplies_by_its_factor(discount, epsilon):
    problem = w_to_2w(discount, epsilon, first_only=False)
    path = fitted_q_iteration(problem, 5)[:, 0]
    assert np.allclose(path, (discount * (6 - 4 * epsilon) / 5) ** np.arange(6))


def test_an_averager_converges_where_least_squares_diverges():
    problem = w_to_2w(0.95, first_only=False)
    points = problem.features
    least_squares = points @ least_squares_fit(problem)
    averager = nearest_averager(points, np.array([0]), 1)
    assert is_averager(averager)
    assert not is_averager(least_squares)
    start = np.array([1.0, 2.0, 0.0])
    blown = fitted_value_iteration(problem.mdp, least_squares, 200, start)
    calm = fitted_value_iteration(problem.mdp, averager, 400, start)
    assert np.abs(blown[-1]).max() > 1e10
    assert np.abs(calm[-1]).max() < 1e-6


@settings(deadline=None)
@given(mdps())
def test_averagers_contract_by_the_discount(mdp):
    rng = np.random.default_rng(7)
    F = rng.random((mdp.num_states, mdp.num_states))
    F /= F.sum(1, keepdims=True)
    one, other = rng.normal(size=(2, mdp.num_states))
    gap = fitted_value_iteration(mdp, F, 1, one)[1] - fitted_value_iteration(mdp, F, 1, other)[1]
    assert np.abs(gap).max() <= mdp.discount * np.abs(one - other).max() + 1e-12


def test_a_long_target_period_is_fitted_q_iteration():
    """ΦᵀDΦ = diag(1, .8, .4, .2): an error of a fit shrinks by 1 − .2 at each step of size 1."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 4)))
    features = basis * np.sqrt(12 * np.array([1.0, 0.8, 0.4, 0.2]))
    problem = LinearProblem(garnet(6, 2, 3, 0.8), features)
    full = fitted_q_iteration(problem, 5)
    online = linear_q_learning(problem, 5 * 160, 1.0, target_period=160)[::160]
    assert 0.8**160 < 1e-15  # of the way that is left after each of the five periods
    assert np.abs(full - online).max() < 1e-12 * np.abs(full).max()


def test_one_action_and_one_hot_features_are_the_tabular_update():
    mdp = garnet(5, 2, 2, 0.9)
    problem = LinearProblem(mdp, np.eye(10))
    weights = linear_q_learning(problem, 4_000, 5.0)[-1]
    assert np.abs(problem.q(weights) - value_iteration(mdp).q).max() < 1e-7


@pytest.mark.parametrize("options", [{}, {"target_period": 3}, {"polyak": 0.2}])
def test_sampled_updates_average_to_the_expected_ones(options):
    """The first sampled steps, averaged over many seeds, match the expected path."""
    rng = np.random.default_rng(1)
    mdp = garnet(5, 1, 3, 0.9)  # one action: the expectation passes through T^π, which is linear
    problem = LinearProblem(mdp, rng.normal(size=(5, 2)), weights=[1.0, -1.0])
    expected = linear_q_learning(problem, 6, 0.05, **options)
    sampled = sampled_linear_q_learning(problem, 6, 0.05, num_seeds=20_000, **options)
    error = np.abs(sampled.mean(1) - expected)
    assert (error <= SIGMAS * sampled.std(1) / np.sqrt(20_000) + 1e-12).all()


def test_a_sampled_minibatch_of_control_is_right_in_the_mean():
    rng = np.random.default_rng(1)
    problem = LinearProblem(garnet(5, 3, 3, 0.9), rng.normal(size=(15, 4)), weights=np.ones(4))
    sampled = sampled_linear_q_learning(problem, 1, 0.1, batch_size=4, num_seeds=20_000)[1]
    error = np.abs(sampled.mean(0) - problem.update(problem.weights, 0.1))
    assert (error <= SIGMAS * sampled.std(0) / np.sqrt(20_000)).all()


def test_polyak_one_is_no_target_and_targets_are_held():
    problem = w_to_2w(0.9)
    plain = linear_q_learning(problem, 10, 0.1)
    assert np.array_equal(plain, linear_q_learning(problem, 10, 0.1, polyak=1.0))
    held = linear_q_learning(problem, 4, 0.1, target_period=4)[:, 0]
    by_hand = [1.0]
    for _ in range(4):
        by_hand.append(by_hand[-1] + 0.1 * (0.9 * 2 * 1.0 - by_hand[-1]))
    assert np.allclose(held, by_hand)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: LinearProblem(garnet(3, 1, 2), np.eye(2)), "S·A = 3"),
        (lambda: LinearProblem(garnet(3, 1, 2), np.eye(3), [0.5, 0.5, 0.5]), "sum 1.5"),
        (lambda: LinearProblem(garnet(3, 1, 2), np.eye(3), None, [1.0]), "weights must be [3]"),
        (lambda: linear_q_learning(w_to_2w(), 0, 0.1), "at least 1"),
        (lambda: linear_q_learning(w_to_2w(), 1, 0.0), "learning_rate"),
        (lambda: linear_q_learning(w_to_2w(), 1, 0.1, polyak=2.0), "polyak"),
        (lambda: sampled_linear_q_learning(w_to_2w(), 1, 0.1, batch_size=0), "batch_size"),
        (lambda: fitted_q_iteration(w_to_2w(), 0), "num_iterations"),
        (lambda: fitted_value_iteration(garnet(3, 1, 2), np.eye(2), 1), "[S, S]"),
        (lambda: td_solution(LinearProblem(garnet(3, 2, 2), np.eye(6))), "one action"),
        (lambda: td_solution(LinearProblem(garnet(3, 1, 2), np.ones((3, 2)))), "invertible"),
        (lambda: epsilon_greedy(1.5), "[0, 1]"),
        (lambda: q_learning(garnet(3, 1, 2), 0), "num_steps"),
        (lambda: q_learning(garnet(3, 1, 2), 1, learning_rate=float("nan")), "learning_rate"),
        (lambda: value_iteration(garnet(3, 1, 2), initial=np.zeros(2)), "[3]"),
        (lambda: value_iteration(garnet(3, 1, 2), tolerance=0.0), "tolerance"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(InvalidValueError) as raised:
        call()
    assert says in str(raised.value)


def test_episodes_cut_by_the_horizon_still_bootstrap():
    """One state that pays 1 forever: V = 1/(1 − γ) whatever the horizon."""
    mdp = MDP([[[1.0]]], [1.0], 0.5, horizon=2)
    assert q_learning(mdp, 200, learning_rate=0.5).q[0, 0, 0] == pytest.approx(2.0)
