"""C51 inside its support: mass at the end atoms, by hand and along a run."""

import pytest
import torch

from qdiverge.agents.networks.categorical_network import CategoricalQ
from qdiverge.diagnostics.diagnose import make_moment
from qdiverge.diagnostics.metrics.end_atoms import EndAtoms, end_atom_mass
from qdiverge.transitions import Transitions


def network(bias):
    made = CategoricalQ(torch.nn.Linear(1, 6), value_min=-1.0, value_max=1.0, num_atoms=3)
    with torch.no_grad():
        made.network.weight.zero_()
        made.network.bias.copy_(torch.tensor(bias).log())
    return made


def test_the_mass_at_the_actions_taken():
    net = network([0.5, 0.25, 0.25, 0.1, 0.2, 0.7])
    low, high = end_atom_mass(net, torch.zeros(2, 1), torch.tensor([0, 1]))
    assert (low, high) == pytest.approx((0.3, 0.475))


def test_a_plain_network_has_no_such_metric():
    s = torch.zeros(2, 1)
    batch = Transitions(s, torch.zeros(2, dtype=torch.int64), s[:, 0], s, s[:, 0])
    categorical = make_moment(network([0.2, 0.2, 0.6] * 2), batch, 0.9, 0.1)
    assert set(EndAtoms().measure(categorical)) == {m.key for m in EndAtoms.metrics}
    assert EndAtoms().measure(make_moment(torch.nn.Linear(1, 2), batch, 0.9, 0.1)) == {}
