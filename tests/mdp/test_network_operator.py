"""The nonlinear update against its certificate: a theorem, its order, and its exact cases."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from qdiverge.mdp import q_value_iteration, train_network
from qdiverge.mdp.problems import garnet
from tests.mdp.network_operator import measure_network


@pytest.fixture
def problem():
    mdp = garnet(6, 2, 2, discount=0.8)
    return mdp, q_value_iteration(mdp, 1e-12).q


def network(mdp, activation=nn.Tanh, width=32):
    torch.manual_seed(0)
    size = mdp.features.shape[1]
    return nn.Sequential(nn.Linear(size, width), activation(), nn.Linear(width, 2)).double()


def test_no_update_exceeds_its_modulus_by_more_than_its_remainder(problem):
    mdp, q_star = problem
    run = measure_network(network(mdp), mdp, q_star, 30, 0.5)
    bound = run.moduli * run.distances[:-1] + run.remainders
    assert (run.distances[1:] <= bound * (1 + 1e-12)).all()
    assert (run.remainders > 0).all()


def test_the_remainder_is_of_second_order(problem):
    mdp, q_star = problem
    large, small = (
        measure_network(network(mdp), mdp, q_star, 1, α).remainders[0] for α in (1e-2, 5e-3)
    )
    assert large / small == pytest.approx(4, rel=0.05)


def test_a_linear_network_has_no_remainder(problem):
    mdp, q_star = problem
    table = nn.Linear(mdp.features.shape[1], 2, bias=False).double()
    run = measure_network(table, mdp, q_star, 20, 0.5)
    assert run.remainders.max() <= 1e-14
    assert (run.factors <= run.moduli + 1e-12).all()


def test_it_is_the_training_that_train_network_does(problem):
    mdp, q_star = problem
    net = network(mdp)
    before = copy.deepcopy(net.state_dict())
    run = measure_network(net, mdp, q_star, 10, 0.3)
    path = train_network(net, mdp, 10, 0.3)
    np.testing.assert_allclose(run.distances, np.abs(path - q_star).max((1, 2)), rtol=1e-12)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
