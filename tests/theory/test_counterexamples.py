"""The verdict on the counterexamples of the literature."""

import math

import pytest
import torch

from qdiverge.theory.row_condition import check_contraction
from qdiverge.theory.stability import check_stability
from tests.theory.problems import (
    BAIRD_START,
    F,
    baird,
    boyan,
    boyan_weights,
    chain,
    check,
    equicorrelated,
    kolter,
    random_problem,
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
