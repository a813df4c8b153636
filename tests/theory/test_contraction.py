"""Achiam's row condition against closed forms and a brute-force operator."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.theory.row_condition import check_contraction


def random_problem(seed: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    J = torch.randn(size, size + 2, generator=generator, dtype=torch.float64)
    rho = torch.rand(size, generator=generator, dtype=torch.float64)
    return J @ J.T, rho / rho.sum()


def brute_force_modulus(K, rho, discount, learning_rate):
    """Largest row sum of I − αH + αγHS over every diagonal S of signs: T = γS is γ-Lipschitz."""
    size = len(K)
    worst = [0.0] * size
    for signs in itertools.product((-1.0, 1.0), repeat=size):
        for i in range(size):
            total = 0.0
            for j in range(size):
                h = learning_rate * float(K[i, j]) * float(rho[j])
                total += abs((1.0 if i == j else 0.0) - h + discount * h * signs[j])
            worst[i] = max(worst[i], total)
    return worst


@given(
    seed=st.integers(0, 10_000),
    size=st.integers(1, 5),
    discount=st.floats(0, 1),
    scale=st.floats(0.01, 3),
)
@settings(max_examples=40, deadline=None)
def test_modulus_is_that_of_the_worst_gamma_lipschitz_operator(seed, size, discount, scale):
    K, rho = random_problem(seed, size)
    report = check_contraction(K, rho, discount, scale)
    expected = torch.tensor(brute_force_modulus(K, rho, discount, scale), dtype=torch.float64)
    torch.testing.assert_close(report.row_modulus, expected, rtol=1e-12, atol=1e-12)
    assert report.modulus == pytest.approx(float(expected.max()), rel=1e-12)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 5), discount=st.floats(0, 0.95))
@settings(max_examples=40, deadline=None)
def test_sup_norm_error_shrinks_by_the_modulus_under_the_optimality_operator(seed, size, discount):
    """Random deterministic MDP on the pairs themselves; max over two successors per pair."""
    K, rho = random_problem(seed, size)
    report = check_contraction(K, rho, discount, 0.1)
    generator = torch.Generator().manual_seed(seed)
    successors = torch.randint(size, (size, 2), generator=generator)

    def update(Q):
        target = [discount * max(float(Q[a]), float(Q[b])) for a, b in successors.tolist()]
        return Q + 0.1 * K @ (rho * (torch.tensor(target, dtype=Q.dtype) - Q))

    for _ in range(5):
        Q1, Q2 = torch.randn(2, size, generator=generator, dtype=torch.float64)
        moved = (update(Q1) - update(Q2)).abs().max()
        assert moved <= report.modulus * (Q1 - Q2).abs().max() * (1 + 1e-12)


@pytest.mark.parametrize("discount", [0.0, 0.5, 0.99])
def test_tabular_one_hot_modulus(discount):
    rho = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    report = check_contraction(torch.eye(3, dtype=torch.float64), rho, discount, 0.1)
    expected = 1 - (1 - discount) * 0.1 * rho
    torch.testing.assert_close(report.row_modulus, expected, rtol=1e-15, atol=0)
    assert report.modulus == pytest.approx(1 - (1 - discount) * 0.1 * 0.2, rel=1e-15)
    assert report.holds
    assert report.contracts


@pytest.mark.parametrize(("size", "discount"), [(3, 0.5), (8, 0.9), (20, 0.99)])
def test_equicorrelated_kernel_crosses_at_the_closed_form(size, discount):
    ratio = (1 - discount) / ((1 + discount) * (size - 1))  # of d / (1 + d)
    for factor, holds in ((1 - 1e-9, True), (1 + 1e-9, False)):
        d = factor * ratio / (1 - factor * ratio)
        K = torch.eye(size, dtype=torch.float64) + d
        report = check_contraction(K, discount=discount, learning_rate=0.1)
        assert report.holds is holds
        assert report.row_ratio[0] == pytest.approx((size - 1) * d / (1 + d), rel=1e-12)
        assert report.mean_row_ratio == pytest.approx((size - 1) / size * d / (1 + d), rel=1e-12)


def test_paper_bound_for_uniform_weights():
    assert check_contraction(torch.eye(2)).row_ratio_bound == pytest.approx(0.005025, abs=5e-7)


@given(seed=st.integers(0, 10_000), size=st.integers(1, 6), discount=st.floats(0, 0.9))
@settings(max_examples=40, deadline=None)
def test_largest_step_is_the_exact_boundary(seed, size, discount):
    K, rho = random_problem(seed, size)
    off = K - torch.diag(K.diagonal())
    dominant = off + torch.diag(30 * off.abs().sum(1) * (rho.max() / rho) + 1)
    report = check_contraction(dominant, rho, discount, 1e-3)
    if not report.max_learning_rate:
        assert bool((report.margin <= 1e-12).any())
        return
    bound = min(2 / ((1 + discount) * float((dominant.abs() @ rho)[i])) for i in range(size))
    assert report.max_learning_rate == pytest.approx(bound, rel=1e-12)
    below = check_contraction(dominant, rho, discount, bound * (1 - 1e-9))
    above = check_contraction(dominant, rho, discount, bound * (1 + 1e-9))
    assert below.contracts
    assert below.modulus < 1
    assert not above.contracts
    assert above.modulus > 1


def test_equality_holds_but_is_not_strict():
    discount = 0.99
    for size in (2, 7, 64):
        c = (1 - discount) / ((1 + discount) * (size - 1))
        K = torch.full((size, size), c, dtype=torch.float64).fill_diagonal_(1.0)
        report = check_contraction(K, discount=discount, learning_rate=1.0)
        assert report.holds
        assert not report.contracts
        assert report.max_learning_rate == 0.0
        assert report.modulus == pytest.approx(1.0, abs=1e-14)
        assert "equality" in str(report)


def test_past_one_the_paper_condition_fails_while_the_exact_form_may_contract():
    report = check_contraction(torch.eye(2), discount=0.0, learning_rate=3.0)  # α K_ii ρ_i = 1.5
    assert not report.holds
    assert report.contracts
    assert report.modulus == pytest.approx(0.5)


def test_scale_of_the_kernel_and_step_only_enters_as_their_product():
    K, rho = random_problem(3, 5)
    one, two = check_contraction(K, rho, 0.9, 0.1), check_contraction(4 * K, rho, 0.9, 0.025)
    torch.testing.assert_close(one.row_modulus, two.row_modulus)
    torch.testing.assert_close(one.row_ratio, two.row_ratio)
    assert one.max_learning_rate == 4 * two.max_learning_rate


def test_pair_never_sampled_is_explained_and_never_contracts():
    K = torch.eye(3, dtype=torch.float64) + 0.001
    report = check_contraction(K, torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64), 0.5, 0.1)
    assert report.row_modulus[2] > 1
    assert report.row_holds.tolist() == [True, True, False]
    assert math.isinf(report.row_ratio[2])
    assert report.max_learning_rate == 0.0
    assert "Rows with ρ_i = 0: 1 (first: 2)" in str(report)


def test_zero_row_holds_at_equality_and_is_explained():
    report = check_contraction(torch.diag(torch.tensor([1.0, 0.0])), discount=0.5)
    assert report.row_holds.tolist() == [True, True]
    assert report.row_contracts.tolist() == [True, False]
    assert report.row_ratio.tolist() == [0.0, 0.0]
    assert report.row_modulus[1] == 1.0
    assert "Rows of K that are zero: 1 (first: 1)" in str(report)
    assert math.isfinite(check_contraction(torch.zeros(2, 2)).mean_row_ratio)


def test_zero_diagonal_under_a_busy_row_is_infinite_not_silent():
    report = check_contraction(torch.tensor([[0.0, 1.0], [1.0, 3.0]]))
    assert math.isinf(report.row_ratio[0])
    assert math.isinf(report.mean_row_ratio)
    assert not report.row_holds[0]


def test_regression_is_the_report_at_discount_zero():
    K, rho = random_problem(1, 6)
    regression = check_contraction(K, rho, 0.99, 0.01).regression
    alone = check_contraction(K, rho, 0.0, 0.01)
    assert regression is not None
    assert regression.regression is None
    torch.testing.assert_close(regression.row_modulus, alone.row_modulus, rtol=0, atol=0)
    assert regression.max_learning_rate == alone.max_learning_rate


def test_print_names_worst_rows_and_the_baseline():
    K = torch.eye(4)
    K[2, 3] = K[3, 2] = 0.5
    K[1, 2] = K[2, 1] = 0.3
    text = str(check_contraction(K, discount=0.99, learning_rate=0.1))
    assert "fails in 3 of 4 rows" in text
    assert "At γ = 0 every row holds, so what fails is due to bootstrapping." in text
    assert "2 (0.8), 3 (0.5), 1 (0.3)" in text
    assert "frozen kernel" in text


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_is_kept_and_half_is_raised(dtype):
    K = (torch.eye(4) + 0.001).to(dtype)
    report = check_contraction(K, discount=0.5, learning_rate=0.1)
    raised = torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
    assert report.row_modulus.dtype == report.margin.dtype == raised
    assert report.holds


def test_small_steps_contract_in_float32():
    """1 − β_i = 1e-9 is far below float32's resolution at 1; the gap is computed, not β."""
    report = check_contraction(torch.eye(4), discount=0.96, learning_rate=1e-7)
    assert report.contracts
    assert report.modulus < 1
    assert 1 - report.modulus == pytest.approx(1e-9, rel=1e-5)


def test_inputs_are_left_alone():
    K, rho = random_problem(0, 4)
    K.requires_grad_()
    before = K.detach().clone(), rho.clone()
    report = check_contraction(K, rho)
    assert torch.equal(K.detach(), before[0])
    assert torch.equal(rho, before[1])
    assert not report.margin.requires_grad


@pytest.mark.parametrize(
    ("K", "options", "message"),
    [
        (torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), {}, r"K must be finite; got nan at"),
        (torch.ones(2, 3), {}, r"square kernel.*got \[2, 3\]"),
        (torch.ones(0, 0), {}, r"N ≥ 1"),
        (torch.tensor([[1.0, 0.5], [0.4, 1.0]]), {}, r"symmetric.*K\[0, 1\] = 0.5 .*1.0e-01 of"),
        (torch.diag(torch.tensor([1.0, -1.0])), {}, r"K_ii ≥ 0"),
        (torch.eye(2), {"rho": torch.tensor([0.5, 0.6])}, r"rho must be a distribution"),
        (torch.eye(2), {"rho": torch.ones(3) / 3}, r"rho must have shape \[2\]"),
        (torch.eye(2), {"discount": 1.1}, r"discount must lie in \[0, 1\]; got 1.1"),
        (torch.eye(2), {"learning_rate": 0.0}, r"learning_rate must be"),
    ],
)
def test_bad_input_says_what_to_do(K, options, message):
    with pytest.raises(InvalidValueError, match=message):
        check_contraction(K, **options)


def test_integer_kernel_is_a_type_error():
    with pytest.raises(InvalidTypeError, match="floating-point"):
        check_contraction(torch.eye(2, dtype=torch.int64))


def test_float32_rounding_is_no_asymmetry():
    K, _ = random_problem(2, 30)
    noisy = K.float() * (1 + 1e-6 * torch.randn(30, 30, generator=torch.Generator().manual_seed(0)))
    check_contraction(noisy)
    check_contraction(noisy.double())  # cast up from float32: still only rounding


def test_a_kernel_of_zeros_has_no_mean_ratio_and_a_large_one_is_taken():
    assert check_contraction(torch.zeros(3, 3)).mean_row_ratio == 0.0
    large = check_contraction(torch.eye(300), learning_rate=0.1)
    assert large.holds
    assert "regression=" not in repr(large)
