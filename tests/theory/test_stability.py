"""The verdict on batches that are odd, small, rough, or wrong."""

import math

import pytest
import torch

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.theory.augmented_map import largest_growth
from qdiverge.theory.descent import Descent
from qdiverge.theory.row_condition import check_contraction
from qdiverge.theory.spectral import reachable_directions
from qdiverge.theory.stability import check_stability
from tests.theory.problems import (
    F,
    baird,
    check,
    random_problem,
)

CUDA = torch.cuda.is_available()

# --- Batches that are odd, small or rough ---------------------------------------------------------


def test_terminated_and_truncated_differ():
    K = torch.ones(1, 1, dtype=F)
    truncated, terminated = 2 * 0.99 * K, 0 * K
    assert check_stability(K, truncated, learning_rate=0.1).verdict == "divergent"
    assert check_stability(K, terminated, learning_rate=0.1).verdict == "certified"


def test_single_pair_closed_form():
    """N = 1: λ = 1 + α(k' − k), certified for α < 2/(k − k')."""
    report = check_stability(torch.tensor([[2.0]]), torch.tensor([[0.5]]), learning_rate=0.5)
    assert report.spectral_radius == pytest.approx(0.25)
    assert report.certified_modulus == pytest.approx(0.25)
    assert report.max_learning_rate == pytest.approx(2 / 1.5)
    assert report.certified_learning_rate == pytest.approx(2 / 1.5)
    assert report.target_network.fitted_radius == pytest.approx(0.25)
    assert report.regression.max_learning_rate == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("learning_rate", "period", "radius"),
    [(0.5, 1, 0.5), (0.5, 3, 0.125), (2.5, 1, 1.5), (2.5, 3, math.inf)],
)
def test_regression_over_a_period_is_that_many_steps_of_it(learning_rate, period, radius):
    """K = 1: 1 − α a step; where that grows, a long period lets nothing through."""
    one = torch.ones(1, 1, dtype=F)
    report = check_stability(one, 0 * one, learning_rate=learning_rate, target_period=period)
    assert report.regression.spectral_radius == pytest.approx(radius)
    assert report.regression.update_radius == pytest.approx(abs(1 - learning_rate))
    assert report.regression.max_learning_rate == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("k", "ahead", "learning_rate", "polyak"),
    [(2.0, 0.5, 0.3, 0.1), (2.0, 1.5, 0.1, 0.5), (1.0, -0.5, 0.5, 0.2)],
)
def test_one_pair_with_an_averaged_target_has_the_modulus_of_its_two_by_two_map(
    k, ahead, learning_rate, polyak
):
    """(ε, ℓ) ← [[1 − αk + ταk', ταk'], [1 − τ, 1 − τ]] (ε, ℓ): at best ρ of the absolute map."""
    K, successors = torch.tensor([[k]], dtype=F), torch.tensor([[ahead]], dtype=F)
    report = check_stability(K, successors, learning_rate=learning_rate, polyak=polyak)
    moved = polyak * learning_rate * ahead
    M = torch.tensor([[1 - learning_rate * k + moved, moved], [1 - polyak, 1 - polyak]], dtype=F)
    expected = float(torch.linalg.eigvals(M.abs()).abs().max())
    assert report.certificate.modulus == pytest.approx(expected, rel=1e-6)
    assert report.spectral_radius == pytest.approx(float(torch.linalg.eigvals(M).abs().max()))
    assert report.regression.certified_modulus == pytest.approx(abs(1 - learning_rate * k))


def test_the_reason_says_whether_the_growing_mode_keeps_the_greedy_actions():
    assert "keeps its greedy actions" in check(baird()).reason
    switched = []
    for seed in range(12):
        problem = random_problem(seed, num_actions=2, scale=1.5)
        weights = torch.randn(8, generator=torch.Generator().manual_seed(seed), dtype=F)
        report = check(problem, weights, 0.1)
        if report.verdict == "divergent":
            num = int((report.divergent_actions != problem.greedy(weights)).sum())
            said = f"switches {num} greedy actions" if num else "keeps its greedy actions"
            assert said in report.reason
            switched.append(num > 0)
    assert any(switched)


def test_how_soon_the_errors_double_is_said():
    """λ = 1 + 0.1 (2 − 1): ln 2 / ln 1.1 = 7.27 updates."""
    one = torch.ones(1, 1, dtype=F)
    said = str(check_stability(one, 2 * one, learning_rate=0.1))
    assert "spectral radius 1.1 per update: the TD errors double every 7.27 updates" in said
    assert " per period" in str(check_stability(one, 2 * one, learning_rate=0.1, target_period=2))


def test_zero_kernel_is_explained():
    report = check_stability(torch.zeros(3, 3), torch.zeros(3, 3))
    assert report.verdict == "undecided"
    assert "no parameter moves" in report.reason
    assert report.max_learning_rate == report.regression.max_learning_rate == 0.0
    assert report.regression.spectral_radius == 1.0
    assert report.num_unreachable == 3
    assert "nothing moves" in str(report)


def test_unsampled_and_repeated_pairs_are_unreachable_directions():
    problem = random_problem(7, num_actions=1, num_features=30, scale=0.3)
    rho = problem.rho.clone()
    rho[2] = 0
    report = check_stability(problem.K, problem.successors, rho=rho / rho.sum(), learning_rate=0.01)
    assert report.num_unreachable == 1
    assert report.spectral_radius < 1
    twice = [0, 1, 2, 3, 4, 0]
    K, successors = problem.K[twice][:, twice], problem.successors[twice][:, :, twice]
    again = check_stability(K, successors, learning_rate=0.01)
    assert again.num_unreachable == 1
    assert again.verdict == "certified"
    assert "Directions of TD error that no parameter moves: 1 " in str(again)


def test_step_that_overflows_a_period_is_divergent_not_nan():
    report = check_stability(
        torch.eye(2), 0.5 * torch.eye(2), learning_rate=50.0, target_period=10_000
    )
    assert report.verdict == "divergent"
    assert math.isinf(report.spectral_radius)
    assert "too large even for regression" in str(report)


@pytest.mark.parametrize("period", [20, 60, 10_000])
@pytest.mark.parametrize("ahead", [0.0, 0.5, 3.0])
def test_the_factor_per_update_is_finite_where_that_of_a_period_is_not(ahead, period):
    """K = 1, α = 5: (1 − α)^C + (k'/k)(1 − (1 − α)^C), of modulus 4^C |1 − k'/k| + O(1)."""
    one = torch.ones(1, 1, dtype=F)
    report = check_stability(one, ahead * one, learning_rate=5.0, target_period=period)
    assert report.update_radius == pytest.approx(4 * abs(1 - ahead) ** (1 / period), rel=1e-12)
    assert math.isinf(report.spectral_radius) == (period > 20)


@pytest.mark.parametrize("polyak", [None, 0.3])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_the_scaled_map_of_a_period_grows_as_the_map_itself(seed, momentum, polyak):
    """Where a period's growth is far below 1e12, its own map shows it, too."""
    problem = random_problem(seed, num_actions=1, num_features=30)
    pairs = problem.K, problem.successors[:, 0]
    largest = check_stability(*pairs, learning_rate=1.0).regression.max_learning_rate
    descent = Descent(1.5 * largest * (1 + momentum) / (1 - momentum), momentum, 1 - momentum)
    rho = torch.full((len(problem.K),), 1 / len(problem.K), dtype=F)
    reach = reachable_directions(*pairs, rho, 1e-16)
    report = check_stability(*pairs, descent=descent, target_period=9, polyak=polyak)
    assert 1 < report.update_radius < 6
    scaled = largest_growth(reach, descent, 9, polyak)
    assert scaled == pytest.approx(report.update_radius, rel=1e-9)


@pytest.mark.parametrize(
    ("dtype", "num_features", "scale"), [(torch.float32, 40, 1.5), (torch.bfloat16, 400, 0.5)]
)
@pytest.mark.parametrize("seed", range(6))
def test_coarse_kernels_agree_with_float64_within_what_their_rounding_can_do(
    seed, dtype, num_features, scale
):
    """Bauer and Fike: an eigenvalue moves by cond(V)·‖E‖₂ at most, E the change of I + αAD.

    For bfloat16 the features are many and the successors near, so that it hides no mode.
    """
    problem = random_problem(seed, num_features=num_features, scale=scale)
    greedy = problem.greedy(torch.ones(num_features, dtype=F))
    exact = problem.K, problem.successors
    coarse = [kernel.to(dtype) for kernel in exact]
    full, rough = (check_stability(K, S, greedy, learning_rate=1e-3) for K, S in (exact, coarse))
    M, rounded = (
        torch.eye(5, dtype=F) + 1e-3 / 5 * (S[torch.arange(5), greedy] - K).to(F)
        for K, S in (exact, [kernel.to(F) for kernel in coarse])
    )
    bound = torch.linalg.cond(torch.linalg.eig(M).eigenvectors) * torch.linalg.norm(rounded - M, 2)
    assert rough.num_unreachable == rough.num_neutral == 0
    assert rough.spectral_radius == pytest.approx(full.spectral_radius, abs=1.01 * float(bound))
    assert rough.verdict in (full.verdict, "undecided")


def test_rounding_alone_never_makes_a_verdict():
    """K' = K up to float32 noise: every mode stands still, whatever the noise says."""
    K = random_problem(0, size=30, num_features=60).K.float()
    generator = torch.Generator().manual_seed(0)
    noise = 1e-7 * torch.randn(30, 30, generator=generator)
    report = check_stability(K, K * (1 + noise), learning_rate=0.01)
    assert report.verdict == "undecided"


def test_largest_step_with_a_target_network_is_the_boundary():
    problem = random_problem(3, num_actions=1, scale=0.5)
    for options in ({"target_period": 10}, {"polyak": 0.1}):
        largest = check(problem, None, 0.01, **options).max_learning_rate
        assert largest > 0
        assert check(problem, None, 0.98 * largest, **options).spectral_radius < 1
        assert check(problem, None, 1.02 * largest, **options).spectral_radius > 1


def test_minibatch_is_reported_when_asked():
    problem = random_problem(3, num_actions=1, scale=0.5)
    report = check_stability(problem.K, problem.successors, learning_rate=0.01, batch_size=2)
    assert report.minibatch.critical_learning_rate < report.max_learning_rate
    assert "At batch size 2" in str(report)


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no GPU"))]
)
def test_any_device(device):
    problem = random_problem(3)
    greedy = problem.greedy(torch.ones(8, dtype=F))
    K, successors, rho = (x.to(device) for x in (problem.K, problem.successors, problem.rho))
    moved = check_stability(K, successors, greedy.to(device), rho, batch_size=2)
    here = check_stability(problem.K, problem.successors, greedy, problem.rho, batch_size=2)
    assert moved.spectral_radius == pytest.approx(here.spectral_radius)
    assert moved.verdict == here.verdict
    assert check_contraction(K, rho.cpu()).row_modulus.device.type == device


def test_inputs_are_left_alone():
    problem = random_problem(3)
    K, successors = problem.K.requires_grad_(), problem.successors
    greedy = problem.greedy(torch.ones(8, dtype=F))
    before = K.detach().clone(), successors.clone(), greedy.clone()
    state = torch.get_rng_state()
    check_stability(K, successors, greedy, problem.rho)
    assert torch.equal(K.detach(), before[0])
    assert torch.equal(successors, before[1])
    assert torch.equal(greedy, before[2])
    assert torch.equal(torch.get_rng_state(), state)


K2, S2 = torch.eye(2), torch.zeros(2, 3, 2)
G2 = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((K2, torch.zeros(2, 3)), r"successor_kernel must be \[2, A, 2\].*got \[2, 3\]"),
        ((K2, torch.zeros(2, 0, 2)), r"got \[2, 0, 2\]"),
        ((K2, S2), r"greedy_actions \[2\] must come with .* 3 actions"),
        ((K2, S2, torch.tensor([0, 3])), r"greedy_actions must lie in 0…2; got 0…3"),
        ((K2, S2, torch.tensor([0])), r"greedy_actions must have shape \[2\]; got \[1\]"),
        ((K2, S2 * math.nan, G2), r"successor_kernel must be finite"),
        ((torch.tensor([[1.0, 0.5], [0.0, 1.0]]), S2, G2), r"K must be symmetric"),
        ((torch.tensor([[1.0, 2.0], [2.0, 1.0]]), S2, G2), r"positive semidef.*-0.5 to 1.5"),
        ((K2, S2, G2, torch.tensor([1.0, 1.0])), r"rho must be a distribution"),
        ((K2, S2, G2, None, -1.0), r"learning_rate must be"),
        ((K2, S2, G2, None, 0.1, 0), r"target_period must be an integer"),
        ((K2, S2, G2, None, 0.1, 2.5), r"target_period must be an integer.*2.5"),
    ],
)
def test_bad_input_says_what_to_do(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        check_stability(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"polyak": 0.0}, r"polyak must lie in \(0, 1\]"),
        ({"polyak": 0.5, "target_period": 0}, r"target_period must be an integer"),
        ({"batch_size": 3}, r"batch_size must lie in 1…2"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InvalidValueError, match=message):
        check_stability(K2, S2, G2, **options)


def test_wrong_types():
    with pytest.raises(InvalidTypeError, match="greedy_actions must be an integer tensor"):
        check_stability(K2, S2, torch.tensor([0.0, 1.0]))
    with pytest.raises(InvalidTypeError, match="successor_kernel must be a floating-point"):
        check_stability(K2, S2.long(), G2)
