"""Realised returns against the definition, and the bias that they reveal."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.diagnostics.overestimation import discounted_returns, overestimation
from qdiverge.errors import InvalidValueError


@given(seed=st.integers(0, 1000), discount=st.floats(0, 1))
def test_returns_are_the_sum_of_what_follows(seed, discount):
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.randn(12, generator=generator, dtype=torch.float64)
    ended = torch.rand(12, generator=generator) < 0.3
    returns = discounted_returns(rewards, ended, discount)
    for t in range(12):
        ends = [k for k in range(t, 12) if ended[k]]
        if ends:
            expected = sum(discount ** (k - t) * float(rewards[k]) for k in range(t, ends[0] + 1))
            assert float(returns[t]) == pytest.approx(expected, abs=1e-9)
        else:
            assert math.isnan(float(returns[t]))


def test_a_constant_bias_is_found_whatever_the_rewards():
    rewards = torch.tensor([1.0, -1.0, 0.5, 3.0])
    ended = torch.tensor([False, True, False, True])
    q_values = discounted_returns(rewards, ended, 0.9) + 7.0
    gap, steps = overestimation(q_values, rewards, ended, 0.9)
    assert gap == pytest.approx(7.0)
    assert steps == 4


def test_nothing_finished_is_nan_over_no_step():
    gap, steps = overestimation(torch.ones(2), torch.ones(2), torch.zeros(2).bool(), 0.9)
    assert math.isnan(gap)
    assert steps == 0


def test_shapes_are_checked():
    with pytest.raises(InvalidValueError, match=r"\[T\]"):
        discounted_returns(torch.ones(2, 1), torch.ones(2, 1), 0.9)
