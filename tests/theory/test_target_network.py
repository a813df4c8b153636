"""Target networks against simulation of the linear system, and the advice table."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.theory.augmented_map import copied_increment
from qdiverge.theory.descent import Descent
from qdiverge.theory.largest_step import largest_regression_step
from qdiverge.theory.spectral import modes, reachable_directions, spectral_radius
from qdiverge.theory.stability import check_stability
from qdiverge.theory.target_network import (
    period_gain,
    period_increment,
    period_step,
    polyak_increment,
)
from tests.theory.problems import F, random_problem

EPS = 2.3e-16


@given(
    seed=st.integers(0, 10**6),
    period=st.integers(1, 40),
    learning_rate=st.floats(1e-4, 1.0),
    num_features=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_period_step_is_c_updates_on_a_frozen_target(seed, period, learning_rate, num_features):
    """B_C = I + (K' − K)P_C, also for a singular K, against C explicit updates of θ."""
    problem = random_problem(seed, num_actions=1, num_features=num_features)
    weights = torch.randn(num_features, generator=torch.Generator().manual_seed(seed), dtype=F)
    A = problem.successors[:, 0] - problem.K
    B = torch.eye(5, dtype=F) + A @ period_step(problem.K, problem.rho, learning_rate, period)
    before, target = problem.td_errors(weights), weights.clone()
    for _ in range(period):
        weights = problem.update(weights, learning_rate, target)
    after = problem.td_errors(weights)
    scale = float(after.abs().max()) + float((B.abs() @ before.abs()).max())
    torch.testing.assert_close(B @ before, after, rtol=1e-8, atol=1e-10 * scale)


@pytest.mark.parametrize("period", [1, 5, math.inf])
def test_what_cancels_in_an_increment_is_no_smaller_than_it(period):
    """‖Λ'g − Λg‖ ≤ ‖Λ'g‖ + ‖Λg‖, which rounding is measured against."""
    for seed in range(5):
        problem = random_problem(seed, num_actions=1, num_features=20, scale=1.0)
        reach = reachable_directions(problem.K, problem.successors[:, 0], problem.rho, EPS)
        increment, scale = period_increment(reach, 0.1, period)
        assert float(torch.linalg.matrix_norm(increment)) <= scale
        if period == 1:
            own = 0.1 * float(reach.rates.square().sum().sqrt())
            assert scale == pytest.approx(own + 0.1 * float(reach.ahead.square().sum().sqrt()))


@pytest.mark.parametrize("period", [1, 2, 7, 1000])
def test_period_gain_is_the_geometric_sum(period):
    rates = torch.tensor([0.0, 1e-12, 0.3, 1.0, 9.9, 10.0, 12.0], dtype=F)
    expected = [
        math.fsum(0.1 * (1 - 0.1 * float(rate)) ** k for k in range(period)) for rate in rates
    ]
    assert period_gain(rates, 0.1, period).tolist() == pytest.approx(expected, rel=1e-10)


@given(
    seed=st.integers(0, 10**6),
    polyak=st.floats(0.01, 1.0),
    learning_rate=st.floats(0.01, 1.0),
    num_features=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_polyak_matrix_has_the_spectrum_of_the_simulated_pair(
    seed, polyak, learning_rate, num_features
):
    """The map (θ, θ̄) → (θ', θ̄') by autograd; directions without data only decay at 1 − τ."""
    problem = random_problem(seed, num_actions=1, num_features=num_features, scale=1.5)
    chosen = problem.discounts[:, None] * problem.successor_features[:, 0]

    def update(pair):
        weights, target = pair.view(2, num_features)
        error = problem.rho * (chosen @ target - problem.features @ weights)
        weights = weights + learning_rate * problem.features.T @ error
        return torch.cat([weights, (1 - polyak) * target + polyak * weights])

    M = torch.func.jacrev(update)(torch.zeros(2 * num_features, dtype=F))
    reach = reachable_directions(problem.K, problem.successors[:, 0], problem.rho, EPS)
    ours = 1 + modes(polyak_increment(reach, learning_rate, polyak), EPS).eigenvalues
    theirs = torch.linalg.eigvals(M)
    gaps = (ours[:, None] - theirs[None, :]).abs().min(1).values
    assert float(gaps.max()) < 1e-5 * max(1.0, float(theirs.abs().max()))
    idle = num_features - len(reach.rates)  # eigenvalues 1 and 1 − τ, once for each such direction
    assert len(ours) + 2 * idle == len(theirs)
    by_size = theirs.abs().sort(descending=True).values
    rest = torch.cat([ours.abs(), torch.tensor([1.0, 1 - polyak] * idle, dtype=F)])
    torch.testing.assert_close(
        rest.sort(descending=True).values, by_size, rtol=1e-5, atol=1e-5 * float(by_size[0])
    )


@pytest.mark.parametrize("factor", [0.98, 1.02])
def test_slow_averaging_is_stable_iff_the_real_part_of_gamma_is_below_one(factor):
    """Γ = K'K⁻¹ with complex eigenvalues outside the unit disc, of real part near 1."""
    K = torch.eye(2, dtype=F)
    successors = torch.tensor([[factor, 3.0], [-3.0, factor]], dtype=F)
    report = check_stability(K, successors, learning_rate=0.5, polyak=1e-4)
    assert (report.spectral_radius < 1) == (factor < 1)
    assert report.target_network.fitted_radius == pytest.approx(math.hypot(factor, 3.0))


# --- the advice table -----------------------------------------------------------------------------


def two_pairs(successors, learning_rate=0.1, kernel=((1.0, 0.0), (0.0, 1.0)), **options):
    K = torch.tensor(kernel, dtype=F)
    K_next = torch.tensor(successors, dtype=F)
    return check_stability(K, K_next, learning_rate=learning_rate, **options)


@pytest.mark.parametrize("options", [{"target_period": 7}, {"polyak": 0.1}])
def test_what_happens_without_a_target_network_does_not_depend_on_it(options):
    successors = [[0.5, 0.6], [-0.6, 0.5]]
    plain, used = two_pairs(successors), two_pairs(successors, **options)
    assert used.target_network.td_radius == pytest.approx(plain.spectral_radius, rel=1e-12)
    assert used.self_excitation == pytest.approx(plain.self_excitation, rel=1e-12)
    assert used.certified_learning_rate == pytest.approx(plain.certified_learning_rate, rel=1e-12)


def test_table_a_long_period_cures_self_excitation():
    """K' = ΓK with ρ(Γ) < 1 and AD unstable: cured from the first stable period on."""
    K = torch.tensor([[1.0, 0.9], [0.9, 1.0]], dtype=F)
    Γ = torch.tensor([[0.0, 0.5], [0.0, 0.9]], dtype=F) + torch.tensor(
        [[0.0, 8.0], [0.0, 0.0]], dtype=F
    )
    report = check_stability(K, Γ @ K, learning_rate=0.1)
    target = report.target_network
    assert target.td_radius > 1 > target.fitted_radius
    C = target.first_stable_period
    assert C > 1
    assert check_stability(K, Γ @ K, learning_rate=0.1, target_period=C).spectral_radius < 1
    assert check_stability(K, Γ @ K, learning_rate=0.1, target_period=C - 1).spectral_radius >= 1
    assert f"a period of C = {C} updates is stable" in target.advice


def test_table_no_period_cures_extrapolation():
    target = two_pairs([[1.2, 0.0], [0.0, 0.5]]).target_network
    assert target.td_radius > 1
    assert target.fitted_radius == pytest.approx(1.2)
    assert target.first_stable_period is None
    assert "no period cures it" in target.advice


def test_table_long_periods_destabilise():
    """Γ rotates outside the unit disc with real part below 1: TD is stable, fitted Q is not."""
    report = two_pairs([[0.0, 1.5], [-1.5, 0.0]], target_period=1)
    target = report.target_network
    assert target.td_radius < 1
    assert target.fitted_radius == pytest.approx(1.5)
    assert "long periods destabilise" in target.advice
    assert f"now stable, {report.spectral_radius:.6g})" in target.advice
    longer = two_pairs([[0.0, 1.5], [-1.5, 0.0]], target_period=30)
    assert 1 < longer.spectral_radius < 1.5
    assert f"now unstable, {longer.spectral_radius:.6g})" in longer.target_network.advice
    assert two_pairs([[0.0, 1.5], [-1.5, 0.0]], target_period=1000).verdict == "divergent"


def test_table_stable_at_both_ends():
    target = two_pairs([[0.5, 0.0], [0.0, 0.5]]).target_network
    assert target.td_radius < 1
    assert target.fitted_radius == pytest.approx(0.5)
    assert "stable at both ends" in target.advice
    ends = f"ρ(B_1) = {target.td_radius:.6g} without a target network, "
    assert f"{ends}ρ(K'K⁻¹) = {target.fitted_radius:.6g} for ever longer" in target.advice


def test_table_step_too_large_for_regression():
    advice = two_pairs([[0.0, 0.0], [0.0, 0.0]], learning_rate=4.5).target_network.advice
    assert "too large even for regression" in advice
    assert "2/λ_max = 4" in advice


def test_table_does_not_apply_where_the_successors_leave_the_range():
    target = two_pairs([[0.0, 0.5], [0.0, 0.0]], kernel=((1.0, 0.0), (0.0, 0.0))).target_network
    assert target.fitted_radius is None
    assert "cannot be told from this batch" in target.advice


def test_infinite_period_is_the_limit_of_long_ones():
    problem = random_problem(11, num_actions=1, num_features=7)
    reach = reachable_directions(problem.K, problem.successors[:, 0], problem.rho, EPS)
    eye = torch.eye(5, dtype=F)
    long, limit = (
        torch.linalg.eigvals(eye + period_increment(reach, 0.05, period)[0]).abs().sort().values
        for period in (10**9, math.inf)
    )
    torch.testing.assert_close(long, limit, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("decay", [{"coupled_decay": 0.3}, {"decay": 0.3}])
def test_the_limit_of_long_periods_has_the_decay_in_it(decay):
    for seed in range(6):
        problem = random_problem(seed, num_actions=1, size=3, num_features=6, scale=1.2)
        descent = Descent(0.2, momentum=0.9, gain=0.1, **decay)
        far, near = (
            check_stability(problem.K, problem.successors[:, 0], None, problem.rho,
                            descent=descent, target_period=C)
            for C in (50_000, 1)
        )  # fmt: skip
        assert near.target_network.fitted_radius == pytest.approx(far.spectral_radius, rel=1e-6)


def test_with_momentum_a_longer_period_than_a_stable_one_may_be_unstable():
    """Stable at one period, unstable at a longer one, and stable again at ever longer ones."""
    μ, found = 0.95, 0
    for seed in range(60):
        problem = random_problem(seed, num_actions=1, size=3, num_features=6, scale=1.2)
        reach = reachable_directions(problem.K, problem.successors[:, 0], problem.rho, EPS)
        α = 0.8 * largest_regression_step(reach.rates, Descent(1.0, μ))
        report = check_stability(
            problem.K, problem.successors[:, 0], None, problem.rho, descent=Descent(α, μ)
        )
        target = report.target_network
        if "cures it" not in target.advice or not target.first_stable_period:
            continue
        radii = [
            spectral_radius(*_of_period(reach, Descent(α, μ), C))
            for C in range(target.first_stable_period, target.first_stable_period + 60)
        ]
        assert radii[0] < 1
        found += max(radii) > 1
        assert "some between may not be" in target.advice
    assert found


def _of_period(reach, descent, period):
    increment, scale = copied_increment(reach, descent, period)
    return increment, EPS, scale


def test_with_a_target_the_largest_step_is_the_end_of_one_interval_and_said_so():
    """Stable up to .444 and again at .969: momentum .95, a copy every 20 updates."""
    p = random_problem(995957, num_actions=1, size=5, num_features=8, scale=1.0)
    report = check_stability(
        p.K, p.successors[:, 0], None, p.rho, descent=Descent(0.1, 0.95), target_period=20
    )
    assert "largest stable one" not in str(report)
    assert "though with a target network smaller ones may not be, and larger ones may" in str(
        report
    )
