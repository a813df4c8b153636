"""Diagnostics against hand computation, and what every registered one must leave as it was."""

import math
from dataclasses import fields, replace
from functools import cached_property

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.diagnostics import REGISTRY, Moment, Transitions, growth_rate, soft_divergence_bound
from qdiverge.diagnostics.metrics.batch_data import Data
from qdiverge.diagnostics.metrics.q_values import QValues
from qdiverge.diagnostics.metrics.td_errors import TargetLag, TDErrors
from qdiverge.diagnostics.quiet import quiet_values
from qdiverge.errors import CallError


def linear_network(weights):
    """Q(s, ·) = W s with no bias."""
    network = nn.Linear(len(weights[0]), len(weights), bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor(weights))
    return network


def moment(network, batch=None, target=None, discount=0.9, update=1):
    batch = batch or Transitions(
        observations=torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        actions=torch.tensor([0, 1]),
        rewards=torch.tensor([1.0, -1.0]),
        next_observations=torch.tensor([[0.0, 1.0], [1.0, 0.0]]),
        terminated=torch.tensor([False, True]),
    )
    return Moment(
        q_network=network,
        batch=batch,
        discount=discount,
        learning_rate=0.1,
        update=update,
        target=target,
        optimizer=None,
        newest=batch,
    )


def test_td_errors_by_hand():
    # Q(s0, ·) = (2, 3), Q(s1, ·) = (5, 7); δ0 = 1 + .9·7 − 2, δ1 = −1 − 7 since s1 ends.
    now = moment(linear_network([[2.0, 5.0], [3.0, 7.0]]))
    torch.testing.assert_close(now.td_errors, torch.tensor([5.3, -8.0]))
    metrics = TDErrors().measure(now)
    assert metrics["diverge/td_error_abs_mean"] == pytest.approx(6.65)
    assert metrics["diverge/td_error_abs_max"] == pytest.approx(8.0)


def test_the_target_network_makes_the_target_and_lags():
    online, target = linear_network([[2.0, 5.0], [3.0, 7.0]]), linear_network([[0.0, 0.0]] * 2)
    now = moment(online, target=target)
    torch.testing.assert_close(now.td_errors, torch.tensor([-1.0, -8.0]))
    assert TargetLag().measure(now)["diverge/target_lag"] == pytest.approx((2 + 3 + 5 + 7) / 4)
    assert TargetLag().measure(moment(online))["diverge/target_lag"] == 0.0


def test_q_statistics_by_hand():
    metrics = QValues().measure(moment(linear_network([[2.0, 5.0], [3.0, -7.0]])))
    assert metrics["diverge/q_abs_max"] == 7
    assert metrics["diverge/q_max"] == 5
    assert metrics["diverge/q_min"] == -7
    assert metrics["diverge/q_mean"] == pytest.approx(0.75)
    assert metrics["diverge/q_p50"] == pytest.approx(2.5)
    assert metrics["diverge/soft_divergence_bound"] == pytest.approx(10.0)
    assert math.isnan(metrics["diverge/q_growth_rate"])


def test_the_tracker_measures_the_rate_of_an_exponential():
    tracker = QValues()
    for update in range(0, 50, 10):
        scale = math.exp(0.03 * update)
        network = linear_network([[scale, -scale], [0.5 * scale, 0.0]])
        metrics = tracker.measure(moment(network, update=update))
    assert metrics["diverge/q_growth_rate"] == pytest.approx(0.03, rel=1e-5)


def test_infinite_and_nan_values_are_results():
    metrics = QValues().measure(moment(linear_network([[math.inf, 0.0], [1.0, 0.0]])))
    assert not math.isfinite(metrics["diverge/q_abs_max"])


def test_the_data_are_counted_by_hand():
    """Four transitions: one repeats the first, one stands still, one ends, two are rewarded."""
    s = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    batch = Transitions(
        observations=s,
        actions=torch.tensor([0, 1, 1, 1]),
        rewards=torch.tensor([2.0, 0.0, -1.0, 0.0]),
        next_observations=torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]),
        terminated=torch.tensor([0.0, 0.0, 1.0, 0.0]),
    )
    metrics = Data().measure(moment(linear_network([[1.0, 0.0], [0.0, 2.0]]), batch))
    assert metrics == {
        "diverge/reward_mean": 0.25,
        "diverge/reward_min": -1.0,
        "diverge/reward_max": 2.0,
        "diverge/rewarded_share": 0.5,
        "diverge/terminal_share": 0.25,
        "diverge/duplicate_share": 0.25,
        "diverge/still_share": 0.25,
        "diverge/greedy_share": 0.75,  # Q = (1, 0), (1, 0), (0, 2), (.5, 1)
        "diverge/commonest_action_share": 0.75,
    }


def test_growth_rate_ignores_what_has_no_logarithm():
    assert growth_rate(np.arange(4), np.array([0.0, 1.0, math.e, math.inf])) == pytest.approx(1.0)
    assert math.isnan(growth_rate(np.arange(2), np.array([0.0, 1.0])))


def test_the_bound_needs_a_discount_and_a_reward():
    assert soft_divergence_bound(1.0) == math.inf
    assert soft_divergence_bound(0.5, reward_bound=3.0) == 6.0
    with pytest.raises(ValueError, match="discount"):
        soft_divergence_bound(1.1)
    with pytest.raises(ValueError, match="reward_bound"):
        soft_divergence_bound(0.9, reward_bound=0.0)


class Awkward(nn.Module):
    """Everything that notices a forward pass: BatchNorm, dropout, a counter, random numbers."""

    calls: torch.Tensor

    def __init__(self, num_actions=2):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(2, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(8, num_actions),
        )
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        if self.training:
            torch.rand(3)
        return self.body(x)


def fingerprint(network):
    state = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [module.training for module in network.modules()]
    grads = [parameter.grad for parameter in network.parameters()]
    return state, flags, grads, torch.get_rng_state()


def assert_same(before, after):
    for name in before[0]:
        torch.testing.assert_close(after[0][name], before[0][name], rtol=0, atol=0, msg=name)
    assert after[1] == before[1]
    assert after[2] == before[2]
    assert torch.equal(after[3], before[3])


def assert_declared(metrics, kind):
    """What a diagnostic returns over two measurements is what it says that it measures."""
    declared, returned = {metric.key for metric in kind.metrics}, set(metrics)
    undeclared, missing = sorted(returned - declared), sorted(declared - returned)
    assert not undeclared, f"{kind.__name__} returns {undeclared}: declare them in its `metrics`"
    assert not missing, f"{kind.__name__} declares {missing} in its `metrics` and returns none"


@pytest.mark.parametrize("num_actions", [1, 2])
@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_every_diagnostic_is_finite_and_leaves_no_trace(kind, num_actions):
    torch.manual_seed(0)
    network, target = Awkward(num_actions), Awkward(num_actions)
    network.body[3].train()
    before = fingerprint(network), fingerprint(target)
    diagnostic = kind()
    now = moment(network, target=target)
    now = replace(now, batch=replace(now.batch, actions=now.batch.actions % num_actions))
    metrics = diagnostic.measure(now) | diagnostic.measure(replace(now, update=2))
    for was, module in zip(before, (network, target), strict=True):
        assert_same(was, fingerprint(module))
    if kind.of_networks_with:
        assert metrics == {}  # this one has no such head
    else:
        assert_declared(metrics, kind)
    assert all(math.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("kind", REGISTRY, ids=lambda kind: kind.__name__)
def test_every_diagnostic_declares_what_it_needs(kind):
    assert kind.needs <= set(dir(Moment)) | {field.name for field in fields(Moment)}
    now = moment(Awkward().eval(), target=Awkward().eval())
    kind().measure(now)
    derived = {name for name, value in vars(Moment).items() if isinstance(value, cached_property)}
    assert kind.needs & derived <= set(vars(now))


def test_a_forward_that_raises_leaves_no_trace():
    network = Awkward()
    before = fingerprint(network)
    with pytest.raises(CallError, match=r"float32 \[2, 5\]") as raised:
        quiet_values(network, torch.zeros(2, 5))
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert_same(before, fingerprint(network))


def test_the_kernel_carries_the_optimisers_second_moments():
    """K = J diag(1/(√v̂ + ε)) Jᵀ by hand for a linear network after one Adam step."""
    network = linear_network([[2.0, 5.0], [3.0, 7.0]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network(torch.tensor([[1.0, 2.0]])).sum().backward()  # the gradient of both rows is (1, 2)
    optimizer.step()
    now = moment(network)
    plain = now.kernel  # pairs (s0, a0) and (s1, a1) touch different weights: K = I
    torch.testing.assert_close(plain, torch.eye(2))
    scaled = replace(now, optimizer=optimizer).kernel
    # v̂ = g², so M is 1/|g|: 1 for the weight of s0, 1/2 for that of s1.
    torch.testing.assert_close(scaled, torch.diag(torch.tensor([1.0, 0.5])))
