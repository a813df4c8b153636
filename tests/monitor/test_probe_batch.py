"""The probe batch: whose it is, how large, and when it is renewed."""

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics import Transitions
from qdiverge.monitor import attach, dump_state, load_state
from qdiverge.monitor.probe_batch import ProbeBatch
from tests.monitor.test_monitor import random_batch


def transitions(value, size=4):
    s = torch.full((size, 2), float(value))
    return Transitions(s, torch.zeros(size).long(), torch.zeros(size), s, torch.ones(size))


def test_the_probe_keeps_its_own_copy_and_its_size():
    probe = ProbeBatch(size=6, refresh_period=100)
    first = transitions(1)
    probe.show(first, update=0)
    first.observations.zero_()
    probe.show(transitions(2), update=1)
    assert probe.batch.observations[:, 0].tolist() == [1, 1, 1, 1, 2, 2]
    assert not probe.wants(update=50)


def test_the_old_probe_serves_while_the_new_one_fills():
    probe = ProbeBatch(size=6, refresh_period=10)
    probe.show(transitions(1, size=6), update=0)
    assert probe.wants(update=10)
    probe.show(transitions(2), update=10)
    assert probe.batch.observations[0, 0] == 1
    probe.show(transitions(3), update=11)
    assert probe.batch.observations[:, 0].tolist() == [2, 2, 2, 2, 3, 3]


def test_weights_and_discounts_are_carried_along():
    probe = ProbeBatch(size=6, refresh_period=10)
    w = torch.tensor([0.5, 1.0, 2.0, 1.0])
    probe.show(transitions(0.0), 0, weights=w, discounts=0.9 * w)
    w.zero_()  # a buffer that reuses its memory
    assert probe.rows.weights_or(1.0).tolist() == [0.5, 1.0, 2.0, 1.0]
    probe.show(transitions(1.0), 0)  # a batch that has none
    assert probe.rows.weights_or(1.0).tolist() == [0.5, 1.0, 2.0, 1.0, 1.0, 1.0]
    assert probe.rows.discounts_or(0.99)[4:].tolist() == pytest.approx([0.99, 0.99])
    again = ProbeBatch(size=6, refresh_period=10)
    again.restore(load_state(dump_state(probe.state())))
    assert torch.equal(again.rows.weights_or(1.0), probe.rows.weights_or(1.0))
    plain = ProbeBatch(size=2, refresh_period=10)
    plain.show(transitions(0.0), 0)
    assert plain.rows.weights_or(1.0) is None


def test_the_monitors_radius_is_of_the_weighted_update(tmp_path):
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)
    plain = random_batch(16)
    batch = vars(plain) | {"weights": 3 * torch.rand(16), "discounts": 0.9 ** torch.arange(1, 17)}

    def radius(batch, name):
        with attach(
            network, optimizer=optimizer, discount=0.9, out=tmp_path / name, every=1, cost="full",
            loss="half_squared", max_overhead=None, probe_size=16, audit_period=None,
        ) as monitor:  # fmt: skip
            monitor.batch(batch)
            optimizer.step()  # without a gradient nothing moves
        return monitor.latest["diverge/spectral_radius"]

    def diagnosed(batch):
        diagnosis = qd.diagnose(network, batch, 0.9, optimizer=optimizer, loss="half_squared")
        return diagnosis.stability.spectral_radius

    got = radius(batch, "weighted")
    assert got == pytest.approx(diagnosed(batch), rel=1e-5)
    assert abs(got - radius(plain, "plain")) > 1e-3
