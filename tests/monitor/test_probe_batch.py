"""The probe batch: whose it is, how large, and when it is renewed."""

import torch

from qdiverge.diagnostics import Transitions
from qdiverge.monitor.probe_batch import ProbeBatch


def transitions(value, size=4, reward=0.0):
    s = torch.full((size, 2), float(value))
    return Transitions(
        s, torch.zeros(size).long(), torch.full((size,), reward), s, torch.ones(size)
    )


def test_the_probe_keeps_its_own_copy_and_its_size():
    probe = ProbeBatch(size=6, refresh_period=100)
    first = transitions(1)
    probe.show(first, update=0)
    first.observations.zero_()
    probe.show(transitions(2, reward=-3.0), update=1)
    assert probe.batch.observations[:, 0].tolist() == [1, 1, 1, 1, 2, 2]
    assert probe.reward_bound == 3.0
    assert not probe.wants(update=50)


def test_the_old_probe_serves_while_the_new_one_fills():
    probe = ProbeBatch(size=6, refresh_period=10)
    probe.show(transitions(1, size=6), update=0)
    assert probe.wants(update=10)
    probe.show(transitions(2), update=10)
    assert probe.batch.observations[0, 0] == 1
    probe.show(transitions(3), update=11)
    assert probe.batch.observations[:, 0].tolist() == [2, 2, 2, 2, 3, 3]
