"""Overestimation: the theorem, its tightness, and what the double estimator does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import MDP, epsilon_greedy, q_learning, value_iteration
from qdiverge.mdp.maximisation_bias import (
    estimator_bias,
    fitted_overestimation,
    overestimation_bound,
    uniform_overestimation,
)
from tests.chance import SIGMAS


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=2, max_size=12), st.floats(-5, 5))
def test_the_maximum_exceeds_the_bound(errors, value):
    centred = np.array(errors) - np.mean(errors)
    bound = overestimation_bound(value + centred, value)
    assert centred.max() >= bound - 1e-9


@pytest.mark.parametrize("m", [2, 3, 10])
def test_the_bound_is_attained_where_all_but_one_are_equal(m):
    errors = np.append(np.ones(m - 1), 1.0 - m)
    assert overestimation_bound(errors, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize("m", [2, 5, 20])
def test_uniform_errors_in_closed_form(m):
    errors = np.random.default_rng(0).uniform(-2, 2, (40_000, m)).max(1)
    expected = uniform_overestimation(m, 2.0)
    assert abs(errors.mean() - expected) < SIGMAS * errors.std() / 200


def test_the_single_estimator_overestimates_and_the_double_one_does_not():
    for m in (2, 8, 32):
        bias = estimator_bias(np.zeros(m), 10)
        assert bias.single > 20 * bias.single_error
        assert abs(bias.double) < SIGMAS * bias.double_error
    two = estimator_bias(np.zeros(2), 10)  # E max of two N(0, σ²) is σ/√π, σ² = 1/10
    assert abs(two.single - np.sqrt(1 / (10 * np.pi))) < SIGMAS * two.single_error


def test_the_double_estimator_underestimates_where_actions_differ():
    bias = estimator_bias(np.array([0.0, -0.3, -0.3]), 4)
    assert bias.double < -SIGMAS * bias.double_error


@pytest.mark.parametrize(
    ("function", "degree"),
    [(np.sin, 6), (lambda s: 2 * np.exp(-(s**2)), 6), (lambda s: 2 * np.exp(-(s**2)), 9)],
)
def test_fits_without_noise_overestimate_in_most_states(function, degree):
    found = fitted_overestimation(function, degree)
    assert found.fits.shape == (10, 241)
    assert (found.single > 0).mean() > 0.8
    assert np.abs(found.double).mean() < np.abs(found.single).mean()
    assert found.double.mean() < found.single.mean() / 2


def test_a_polynomial_that_is_the_function_does_not_overestimate():
    found = fitted_overestimation(lambda s: s**2 - 3 * s, 4)
    assert np.abs(found.single).max() < 1e-10


def test_more_actions_never_overestimate_less_in_a_fit():
    means = [fitted_overestimation(np.sin, 6, num_actions=m).single.mean() for m in (2, 4, 10)]
    assert means[0] < means[1] < means[2]


def test_q_learning_overestimates_where_double_q_learning_does_not():
    """One choice among 8 arms, all worth −0.1 in the mean: each pays N(−0.1, 1) by its outcome.

    Outcomes are states, since rewards here are expectations (Sutton & Barto 2018, example 6.7).
    Of 4,000 seeds a mean of 200 is 0.371 ± 0.013 and −0.101 ± 0.006: 21 and 8 deviations away.
    """
    levels = np.array([-1.1, 0.9])  # two outcomes of mean −0.1, evenly
    arms = 8
    S = 4  # start, two outcomes, end
    P, R = np.zeros((S, arms, S)), np.zeros((S, arms))
    P[0, :, 1] = P[0, :, 2] = 0.5
    P[1:, :, 3] = 1
    R[1], R[2] = levels
    mdp = MDP(P, R, 1.0)
    truth = value_iteration(mdp).values[0]
    assert truth == pytest.approx(-0.1)
    options = {"learning_rate": 0.2, "explore": epsilon_greedy(1.0), "num_seeds": 200}
    single = q_learning(mdp, 3_000, **options).q[:, 0].max(1)
    double = q_learning(mdp, 3_000, double=True, **options)
    assert single.mean() - truth > 0.2
    assert double.q[:, 0].mean() == pytest.approx(-0.1, abs=0.05)


def test_bad_input_is_named():
    with pytest.raises(InvalidValueError, match="2 actions"):
        overestimation_bound(np.zeros(1), 0.0)
    with pytest.raises(InvalidValueError, match="even"):
        estimator_bias(np.zeros(2), 3)
    with pytest.raises(InvalidValueError, match="degree"):
        fitted_overestimation(np.sin, 11)
