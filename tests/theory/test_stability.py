"""The verdict against the counterexamples of the literature and against simulation."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.theory.contraction import check_contraction
from qdiverge.theory.stability import check_stability
from tests.theory.problems import (
    BAIRD_START,
    F,
    baird,
    boyan,
    boyan_weights,
    chain,
    equicorrelated,
    kolter,
    random_problem,
)

CUDA = torch.cuda.is_available()


def check(problem, weights=None, learning_rate=0.01, **options):
    greedy = None if weights is None else problem.greedy(weights)
    return check_stability(
        problem.K, problem.successors, greedy, problem.rho, learning_rate, **options
    )


# --- Baird's star -------------------------------------------------------------------------------


def test_baird_eigenvalues():
    star = baird()
    eig = torch.linalg.eigvalsh(star.K)
    torch.testing.assert_close(eig, torch.tensor([2, 4, 4, 4, 4, 4, 13], dtype=F))
    report = check(star)
    real = report.eigenvalues.real.sort().values
    torch.testing.assert_close(real[:5], torch.full((5,), -4 / 7, dtype=F))
    assert real[5:].tolist() == pytest.approx([0.0221781, 0.2392505], abs=5e-8)
    assert report.self_excitation == pytest.approx(0.2392505, abs=5e-8)
    for root in real[5:].tolist():
        assert root**2 - (17 * 0.99 - 15) / 7 * root + 26 * 0.01 / 49 == pytest.approx(0, abs=1e-13)


@pytest.mark.parametrize(
    ("discount", "verdict"), [(15 / 17 - 1e-3, "certified"), (15 / 17 + 1e-3, "divergent")]
)
def test_baird_diverges_iff_discount_exceeds_15_over_17(discount, verdict):
    assert check(baird(discount), learning_rate=1e-6).verdict == verdict


def test_baird_expected_update_grows_as_published_and_at_the_spectral_rate():
    star, weights = baird(), BAIRD_START
    norms = {}
    for step in range(1001):
        norms[step] = float(weights.norm())
        weights = star.update(weights, 0.01)
    assert norms[0] == pytest.approx(10.344, abs=5e-4)
    assert norms[100] == pytest.approx(16.82634, abs=5e-6)
    assert norms[500] == pytest.approx(101.21534, abs=5e-6)
    assert norms[1000] == pytest.approx(436.85602, abs=5e-6)
    report = check(star)
    for _ in range(20_000):
        weights = star.update(weights / weights.norm(), 0.01)
    assert float(weights.norm()) == pytest.approx(report.spectral_radius, rel=1e-9)


def test_baird_no_step_is_stable_without_a_target_network():
    report = check(baird())
    assert report.max_learning_rate == 0.0
    assert report.verdict == "divergent"
    assert "no step size is stable" in str(report)
    assert report.regression.spectral_radius == pytest.approx(1 - 0.01 * 2 / 7)
    assert report.regression.max_learning_rate == pytest.approx(14 / 13)


def test_baird_hard_target_is_stable_from_77_and_sup_norm_certified_from_1332():
    star = baird()
    assert check(star).target_network.first_stable_period == 77
    assert check(star, target_period=76).spectral_radius > 1
    assert check(star, target_period=77).spectral_radius < 1
    assert check(star, target_period=77).verdict == "certified"  # the policy is fixed
    assert check(star, target_period=1331).certificate.bound.modulus > 1
    assert check(star, target_period=1332).certificate.bound.modulus < 1
    assert all(check(star, target_period=C).spectral_radius > 1 for C in range(1, 77, 5))


# --- w → 2w, Tsitsiklis & Van Roy, Kolter, Boyan, Gordon -----------------------------------------


@pytest.mark.parametrize("discount", [0.3, 0.49, 0.51, 0.9])
def test_w_to_2w(discount):
    K = torch.ones(1, 1, dtype=F)
    report = check_stability(K, 2 * discount * K, learning_rate=0.1)
    assert report.self_excitation == pytest.approx(2 * discount - 1, abs=1e-15)
    assert report.verdict == ("divergent" if discount > 0.5 else "certified")


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("discount", [0.8, 0.9, 0.99])
def test_two_state_fitted_iteration_has_the_published_factor(epsilon, discount):
    """Features 1, 2; state 1 → 2, state 2 → 2 with 1 − ε: K is singular, its range is enough."""
    features = torch.tensor([[1.0], [2.0]], dtype=F)
    P = torch.tensor([[0.0, 1.0], [0.0, 1 - epsilon]], dtype=F)
    K, successors, _ = chain(features, P, None, discount)
    report = check_stability(K, successors, learning_rate=0.1)
    factor = discount * (6 - 4 * epsilon) / 5
    assert report.target_network.fitted_radius == pytest.approx(factor, rel=1e-12)
    assert report.num_unreachable == 1


@pytest.mark.parametrize(("epsilon", "root"), [(0.0, 0.715045), (0.001, 0.711397)])
def test_kolter_is_singular_where_published(epsilon, root):
    def excitation(p):
        K, successors, rho = kolter(p, epsilon=epsilon)
        return check_stability(K, successors, rho=rho).self_excitation

    assert excitation(root - 1e-6) * excitation(root + 1e-6) < 0
    assert excitation(0.5) < 0  # on-policy is stable


def test_tsitsiklis_van_roy_spiral_grows_on_policy():
    Q = torch.tensor([[1, 0.5, 1.5], [1.5, 1, 0.5], [0.5, 1.5, 1]], dtype=F)
    P = torch.tensor([[0.5, 0, 0.5], [0.5, 0.5, 0], [0, 0.5, 0.5]], dtype=F)
    start, generator = torch.tensor([100.0, -70, -30], dtype=F), Q + 0.05 * torch.eye(3, dtype=F)

    def value(w):
        return torch.matrix_exp(w * generator) @ start

    h = 1e-5
    numeric = (value(0.3 + h) - value(0.3 - h)) / (2 * h)
    torch.testing.assert_close(numeric, generator @ value(0.3), rtol=1e-8, atol=1e-6)
    drift = [float((generator @ value(w)) @ (0.9 * P @ value(w) - value(w))) / 3 for w in range(9)]
    expected = [drift[0] * math.exp(2 * 0.05 * w) for w in range(9)]  # V turns and grows by e^{εw}
    assert drift == pytest.approx(expected, rel=1e-5)
    assert drift[0] > 0  # so w → +∞, in finite time, although the sampling is on-policy


def test_boyan_chain_is_certified_on_policy():
    features, P, rewards = boyan()
    values = features @ torch.tensor([-24.0, -16, -8, 0], dtype=F)
    torch.testing.assert_close(values, -2 * torch.arange(12, -1, -1, dtype=F))
    torch.testing.assert_close(rewards + P @ values, values)
    K, successors, rho = chain(features, P, boyan_weights(P), 1.0)
    report = check_stability(K, successors, rho=rho, learning_rate=0.5)
    assert report.verdict == "certified"
    assert report.num_unreachable == 9  # 13 pairs, 4 parameters


def test_gordon_averagers_certify_fitted_iteration():
    """Γ = γW with row-stochastic W: long periods contract by γ in the plain sup norm."""
    problem = random_problem(0, size=5, num_features=5)
    W = torch.rand(5, 5, generator=torch.Generator().manual_seed(1), dtype=F)
    W = W / W.sum(1, keepdim=True)
    report = check_stability(
        problem.K, 0.9 * W @ problem.K, learning_rate=0.05, target_period=10**7
    )
    assert report.target_network.fitted_radius == pytest.approx(0.9, rel=1e-9)
    assert report.certificate.bound.modulus == pytest.approx(0.9, rel=1e-6)
    assert report.verdict == "certified"


# --- Equicorrelated kernel: how conservative each rung is -----------------------------------------


@pytest.mark.parametrize("size", [6, 12, 30])
@pytest.mark.parametrize("factor", [1 - 1e-6, 1 + 1e-6])
def test_td_error_certificate_of_the_equicorrelated_kernel(size, factor):
    d = factor / (size - 4)
    K, successors = equicorrelated(size, d, 0.9)
    report = check_stability(K, successors, learning_rate=1e-3)
    assert (report.certified_modulus < 1) == (factor < 1)  # symmetric rows: weights do not help
    assert report.verdict == "certified"  # true for every d, by the spectral radius
    assert not check_contraction(K, discount=0.9, learning_rate=1e-3).holds


@pytest.mark.parametrize("d", [0.0, 1.0, 100.0, 1e4])
def test_equicorrelated_kernel_is_stable_for_every_correlation(d):
    K, successors = equicorrelated(10, d, 0.99)
    assert check_stability(K, successors, learning_rate=1e-6).self_excitation < 0


@pytest.mark.xfail(
    strict=True, reason="a weighted sup norm is conservative for strongly correlated pairs"
)
def test_switching_between_correlated_successors_is_certified():
    """K = I + 11ᵀ, two cyclic successors: converged from every start tried, yet undecided."""
    K = torch.eye(10, dtype=F) + 1.0
    successors = 0.9 * torch.stack([K.roll(-1, 0), K.roll(-2, 0)], 1)
    greedy = torch.zeros(10, dtype=torch.int64)
    assert check_stability(K, successors, greedy, learning_rate=0.1).verdict == "certified"


# --- Certificates attacked with random problems and greedy switching ------------------------------


@given(
    seed=st.integers(0, 10**6),
    num_actions=st.integers(1, 3),
    scale=st.floats(0.1, 2.0),
    num_features=st.sampled_from([8, 60]),
    period=st.sampled_from([1, 1, 3, 20]),
    learning_rate=st.sampled_from([0.01, 0.1, 0.5]),
)
@settings(max_examples=60, deadline=None)
def test_verdicts_against_simulation_with_greedy_switching(
    seed, num_actions, scale, num_features, period, learning_rate
):
    problem = random_problem(seed, num_actions=num_actions, scale=scale, num_features=num_features)
    learning_rate /= num_features / 8
    generator = torch.Generator().manual_seed(seed + 1)
    weights = torch.randn(num_features, generator=generator, dtype=F)
    report = check(problem, weights, learning_rate, target_period=period)
    if report.verdict == "certified":
        v = report.certificate.bound.weights
        for _ in range(3):
            weights = 10 * torch.randn(num_features, generator=generator, dtype=F)
            norm = start = float((problem.td_errors(weights) / v).abs().max())
            for _ in range(10):
                if norm < 1e-8 * start:  # float64 holds no more of the errors
                    break
                target = weights.clone()
                for _ in range(period):
                    weights = problem.update(weights, learning_rate, target)
                new = float((problem.td_errors(weights) / v).abs().max())
                if report.certificate.holds:
                    assert new <= norm * report.certified_modulus * (1 + 1e-6) + 1e-13 * start
                norm = new
    if report.verdict == "divergent":
        assert grows_along_its_mode(problem, report, learning_rate, period)


def grows_along_its_mode(problem, report, learning_rate, period):
    """Start far out on the mode, either sign, with rewards: the linear system must keep growing."""
    kept = report.divergent_actions
    for direction, radius in growing_directions(problem, kept, learning_rate, period):
        weights = 1e6 * direction
        rounds = min(30, int(100 / math.log10(max(radius, 1.01))))  # stay below 1e110
        for _ in range(rounds):
            target = weights.clone()
            for _ in range(period):
                weights = problem.update(weights, learning_rate, target)
        is_growing = float(weights.norm()) > 0.99e6 * float(direction.norm()) * radius**rounds
        moved = problem.discounts > 0  # a terminated row has no greedy action
        if is_growing and bool((problem.greedy(weights) == kept)[moved].all()):
            return True
    return False


def growing_directions(problem, greedy, learning_rate, period):
    """Eigenvectors of the parameters' own map at fixed greedy actions, by autograd."""
    rows = torch.arange(len(greedy))
    chosen = problem.successor_features[rows, greedy]

    def one_period(weights):
        target = weights
        for _ in range(period):
            error = problem.discounts * (chosen @ target) - problem.features @ weights
            weights = weights + learning_rate * problem.features.T @ (problem.rho * error)
        return weights

    M = torch.func.jacrev(one_period)(torch.zeros(problem.features.shape[1], dtype=F))
    eigenvalues, vectors = torch.linalg.eig(M)
    largest = eigenvalues.abs().argmax()
    v, radius = vectors[:, largest], float(eigenvalues[largest].abs())
    return [(u, radius) for u in (v.real, -v.real, v.imag, -v.imag) if float(u.norm()) > 1e-9]


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.1, 3.0),
    period=st.integers(1, 12),
    learning_rate=st.floats(0.001, 2.0),
    num_features=st.integers(1, 8),
)
@settings(max_examples=60, deadline=None)
def test_fixed_policy_verdict_is_the_simulation(seed, scale, period, learning_rate, num_features):
    """No switching: certified iff the parameters' own map, built by autograd, is stable."""
    problem = random_problem(seed, num_actions=1, scale=scale, num_features=num_features)
    report = check(problem, torch.zeros(num_features, dtype=F), learning_rate, target_period=period)
    chosen = problem.discounts[:, None] * problem.successor_features[:, 0]

    def one_period(weights):
        target = weights
        for _ in range(period):
            error = problem.rho * (chosen @ target - problem.features @ weights)
            weights = weights + learning_rate * problem.features.T @ error
        return weights

    M = torch.func.jacrev(one_period)(torch.zeros(num_features, dtype=F))
    span = torch.linalg.svd(problem.features).Vh[: min(5, num_features)]  # reachable parameters
    radius = float(torch.linalg.eigvals(span @ M @ span.T).abs().max())
    assert report.spectral_radius == pytest.approx(radius, rel=1e-7)
    if abs(radius - 1) > 1e-6:
        assert report.verdict == ("certified" if radius < 1 else "divergent")


@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.05, 0.6),
    polyak=st.sampled_from([0.005, 0.1, 0.5, 1.0]),
    num_actions=st.integers(1, 2),
)
@settings(max_examples=40, deadline=None)
def test_polyak_certificate_against_simulation(seed, scale, polyak, num_actions):
    """TD errors and the target's lag shrink together, with real greedy switching."""
    problem = random_problem(seed, num_actions=num_actions, scale=scale, num_features=60)
    weights = torch.randn(60, generator=torch.Generator().manual_seed(seed), dtype=F)
    learning_rate = 0.02
    report = check(problem, weights, learning_rate, polyak=polyak)
    if scale < 0.1:
        assert report.certificate.holds
    if not report.certificate.holds:
        return
    v, pair = report.certificate.bound.weights, torch.stack([weights, weights])
    lag = torch.zeros(5, dtype=F)  # ℓ: θ − θ̄ = Jᵀ(αDℓ), so that the pair of norms is exact
    norm = math.inf
    for _ in range(50):
        errors = problem.td_errors(*pair)
        new_norm = float((torch.cat([errors, lag]).abs() / v).max())
        assert new_norm <= norm * report.certified_modulus * (1 + 1e-9)
        norm = new_norm
        new = problem.update(pair[0], learning_rate, pair[1])
        pair = torch.stack([new, (1 - polyak) * pair[1] + polyak * new])
        lag = (1 - polyak) * (lag + errors)
    torch.testing.assert_close(
        pair[0] - pair[1], learning_rate * problem.features.T @ (problem.rho * lag)
    )


def test_polyak_of_one_is_no_target_network():
    problem = random_problem(4, scale=1.5)
    one = check(problem, torch.ones(8, dtype=F), 0.1, polyak=1.0)
    none = check(problem, torch.ones(8, dtype=F), 0.1)
    assert one.spectral_radius == pytest.approx(none.spectral_radius, rel=1e-9)


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
        ((K2, S2, G2, None, 0.1, 0), r"target_period must be a whole number"),
        ((K2, S2, G2, None, 0.1, 2.5), r"target_period must be a whole number.*2.5"),
    ],
)
def test_bad_input_says_what_to_do(arguments, message):
    with pytest.raises(InvalidValueError, match=message):
        check_stability(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"polyak": 0.0}, r"polyak must lie in \(0, 1\]"),
        ({"polyak": 0.5, "target_period": 2}, r"target_period must be 1 with polyak"),
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
