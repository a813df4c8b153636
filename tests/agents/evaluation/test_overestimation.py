"""Realised returns against the definition, and the bias that they reveal."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdiverge.agents.evaluation.overestimation import discounted_returns, overestimation
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
    found = overestimation(q_values, rewards, ended, 0.9)
    assert found.bias == pytest.approx(7.0)
    assert found.num_steps == 4


def test_nothing_finished_is_nan_over_no_step():
    found = overestimation(torch.ones(2), torch.ones(2), torch.zeros(2).bool(), 0.9)
    assert math.isnan(found.bias)
    assert found.num_steps == 0


@pytest.mark.parametrize(("discount", "dropped"), [(0.99, 458), (0.9, 43), (0.0, 0), (1.0, 600)])
def test_a_cut_hides_the_returns_just_before_it_and_no_others(discount, dropped):
    """Rewards of 1 for ever: every kept return is within 1 % of 1 / (1 − γ)."""
    nothing, cut = torch.zeros(600).bool(), torch.zeros(600).bool()
    cut[-1] = True
    returns = discounted_returns(torch.ones(600).double(), nothing, discount, truncated=cut)
    assert int(returns.isnan().sum()) == dropped
    assert returns[600 - dropped :].isnan().all()
    if discount < 1:
        known = returns[: 600 - dropped] * (1 - discount)
        assert bool((known >= 0.99 - 1e-12).all())
        assert bool((known <= 1).all())
    if 0 < discount < 1:  # one step more would miss more than 1 %
        assert discount**dropped > 0.01


def test_a_cut_leaves_the_episodes_around_it_alone():
    rewards, nothing = torch.tensor([1.0, 5.0, 7.0, 2.0]), torch.zeros(4).bool()
    ended, cut = nothing.clone(), nothing.clone()
    ended[[0, 3]], cut[1] = True, True
    returns = discounted_returns(rewards, ended, 0.5, truncated=cut)
    assert returns[[0, 2, 3]].tolist() == [1.0, 8.0, 2.0]
    assert math.isnan(returns[1])


def test_shapes_are_checked():
    with pytest.raises(InvalidValueError, match=r"\[T\]"):
        discounted_returns(torch.ones(2, 1), torch.ones(2, 1), 0.9)
