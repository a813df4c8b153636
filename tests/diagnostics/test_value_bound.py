"""What any policy can earn, and from what size on values count as divergent."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.diagnostics import divergence_limit, soft_divergence_bound


@given(seed=st.integers(0, 10_000), discount=st.floats(0.5, 0.99), off=st.floats(0.0, 3.0))
def test_no_value_that_small_td_errors_allow_is_beyond_the_limit(seed, discount, off):
    """‖Q − Q*‖ ≤ ‖δ‖/(1−γ), on chains of five states that go on by chance and pay 1 at most."""
    draw = torch.Generator().manual_seed(seed)
    P = torch.rand(5, 5, generator=draw, dtype=torch.float64).softmax(1)
    r = torch.rand(5, generator=draw, dtype=torch.float64)
    r[0] = 1.0
    truth = torch.linalg.solve(torch.eye(5, dtype=torch.float64) - discount * P, r)
    Q = truth + off * (2 * torch.rand(5, generator=draw, dtype=torch.float64) - 1)
    δ = (r + discount * P @ Q - Q).abs().max().item()
    bound = soft_divergence_bound(discount)
    excused = δ / (1 - discount)
    assert Q.abs().max() <= bound + excused + 1e-9
    if excused <= bound / 4:
        assert Q.abs().max() <= divergence_limit(bound, δ, discount) + 1e-9


@pytest.mark.parametrize("error", [1e9, math.inf, math.nan])
def test_errors_of_values_that_blow_up_excuse_a_quarter_at_most(error):
    assert divergence_limit(100.0, error, 0.99) == 125.0


def test_values_that_are_exact_may_round():
    assert torch.tensor(100.0).item() > soft_divergence_bound(0.99)  # 99.99999999999991
    assert divergence_limit(soft_divergence_bound(0.99), 0.0, 0.99) > 100.0
