"""The network against its linearisation: equal where it is linear, closer as it widens."""

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import MDP, value_iteration
from qdiverge.mdp.linearised_network import linearisation_gap, linearise, train_network
from qdiverge.mdp.problems import garnet
from tests.asserts import assert_untouched


def with_features(mdp, num_features, seed=0):
    seen = np.random.default_rng(seed).normal(size=(mdp.num_states, num_features))
    return MDP(mdp.transitions, mdp.rewards, mdp.discount, mdp.start, seen, mdp.terminal)


class Wide(nn.Module):
    """One hidden layer of width n in the NTK parametrisation: the kernel stays still as n → ∞."""

    def __init__(self, width, num_inputs, num_actions, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(width, num_inputs, generator=generator))
        self.last = nn.Parameter(torch.randn(num_actions, width, generator=generator))

    def forward(self, x):
        hidden = torch.tanh(x @ self.first.T / x.shape[1] ** 0.5)
        return hidden @ self.last.T / self.last.shape[1] ** 0.5


@pytest.mark.parametrize("target_period", [1, 4])
def test_a_linear_network_is_its_linearisation(target_period):
    mdp = with_features(garnet(6, 3, 2, 0.9), 4)
    q_net = nn.Linear(4, 3)
    rho = np.random.default_rng(1).dirichlet(np.ones(18))
    with assert_untouched(q_net):
        true = train_network(q_net, mdp, 30, 0.5, rho, target_period=target_period)
        linear = linearise(q_net, mdp, 0.5, rho).train(30, target_period=target_period)
    assert linearisation_gap(true, linear).max() < 1e-12


def test_the_linearisation_gets_better_with_width():
    """The mean gap of four networks falls by more than 1/√width, 8 from 64 to 4096.

    Of 60 fours it fell by e^(4.05 ± 0.35), which is 5.6 deviations above 8.
    """
    mdp = with_features(garnet(6, 3, 2, 0.9), 4)
    gaps = np.zeros(2)
    for i, width in enumerate((64, 4096)):
        for seed in range(4):
            q_net = Wide(width, 4, 3, seed)
            true = train_network(q_net, mdp, 40, 0.5)
            linear = linearise(q_net, mdp, 0.5).train(40)
            gaps[i] += linearisation_gap(true, linear)[-1] / 4
    assert gaps[1] < gaps[0] / 8
    assert gaps[1] < 0.05  # of 240 networks at most 0.002


def test_the_first_step_is_right_to_second_order_in_the_learning_rate():
    mdp = with_features(garnet(6, 3, 2, 0.9), 4)
    q_net = Wide(32, 4, 3)
    gaps = []
    for α in (0.02, 0.01):
        true, linear = train_network(q_net, mdp, 1, α), linearise(q_net, mdp, α).train(1)
        gaps.append(np.abs(true[1] - linear[1]).max())
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.05)


def test_a_table_as_a_network_finds_q_star():
    mdp = garnet(5, 2, 2, 0.7)
    q_net = nn.Linear(5, 2, bias=False)  # one-hot features: a table
    found = linearise(q_net, mdp, 9.0)
    assert found.operator.modulus == pytest.approx(1 - 0.3 * 0.9)
    true = train_network(q_net, mdp, 200, 9.0)
    assert np.abs(true[-1] - value_iteration(mdp).q).max() < 1e-7


def test_bad_input_is_named():
    mdp = garnet(5, 2, 2)
    for call in (
        lambda: linearise(nn.Linear(5, 3), mdp, 0.1),
        lambda: train_network(nn.Linear(5, 3), mdp, 1, 0.1),
    ):
        with pytest.raises(InvalidValueError, match=r"Q-values \[5, 2\]"):
            call()
    with pytest.raises(InvalidValueError, match="at least 1"):
        train_network(nn.Linear(5, 2), mdp, 0, 0.1)
