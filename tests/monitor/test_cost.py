"""What watching costs: the allowance is kept, memory is bounded, and the log grows as stated."""

import gc
import math
from contextlib import contextmanager
from typing import ClassVar

import pytest
import torch
from torch import nn

from qdiverge.diagnostics import Diagnostic, SarsaTransitions
from qdiverge.monitor import Monitor, MonitorOptions, attach, dump_state, load_state
from qdiverge.monitor.budget import LIGHT_SHARE_ALONE
from qdiverge.monitor.probe_batch import ProbeBatch
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.target_watch import TargetWatch
from qdiverge.runs import RunLog, load_run
from tests.monitor.test_monitor import make_network, random_batch


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def paying(clock, tier, seconds):
    """A diagnostic that takes its time, by the clock."""

    class Paying(Diagnostic):
        needs: ClassVar = frozenset({"q_all"})
        cost: ClassVar = tier

        def measure(self, moment):
            clock.now += seconds
            return {f"diverge/{tier}": 1.0}

    return Paying()


def watching(network, optimizer, out, *, diagnostics=None, log_density=10_000, **options):
    """A monitor as ``attach`` makes it, with other diagnostics or a shorter log."""
    subject = Subject([network], [], optimizer, MonitorOptions(**options))
    return Monitor(subject, RunLog(out), diagnostics=diagnostics, log_density=log_density)


def step(optimizer, count, clock=None, seconds=0.0):
    """Updates that find no gradient: real steps, at next to no cost."""
    for _ in range(count):
        if clock is not None:
            clock.now += seconds
        optimizer.step()


def test_the_allowance_is_kept_by_thinning_the_dear_tiers(tmp_path):
    network, clock = make_network(), Clock()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    costs = {"light": 0.001, "standard": 0.05, "full": 0.5}  # seconds
    diagnostics = [paying(clock, tier, seconds) for tier, seconds in costs.items()]
    monitor = watching(
        network, optimizer, tmp_path / "run", diagnostics=diagnostics, every=10, cost="full"
    )
    monitor.budget.restart(clock)
    monitor.batch(random_batch(64))
    step(optimizer, 20_000, clock, 0.01)  # 200 s of the run's own time: 10 s are allowed
    counts = monitor.num_measured
    spent = sum(costs[tier] * counts[tier] for tier in costs)
    first = sum(costs.values())  # not held against the allowance
    assert 0.8 * 10 < spent <= 10 + first + 0.5  # it is used, and at most one measurement over
    assert monitor.overhead == pytest.approx(spent / 200)
    assert counts["light"] == 2000  # every one: they cost 1 % alone
    assert counts["full"] < counts["standard"] < counts["light"]
    monitor.close("interrupted")
    assert len(load_run(tmp_path / "run").series["diverge/full"].steps) == counts["full"]


def test_the_light_tier_alone_keeps_to_its_part_of_the_allowance(tmp_path):
    network, clock = make_network(), Clock()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    diagnostics = [paying(clock, "light", 0.003)]
    with watching(
        network, optimizer, tmp_path / "run", diagnostics=diagnostics, every=10, cost="light"
    ) as monitor:
        assert monitor.budget.light_share == LIGHT_SHARE_ALONE
        monitor.budget.restart(clock)
        monitor.batch(random_batch(64))
        step(optimizer, 10_000, clock, 0.01)  # 100 s of the run's own time: .75 s is allowed
        assert 0.74 < monitor.budget.spent - 0.003 < 0.7531  # the first is not held against it


def test_the_log_of_a_long_run_thins_out_and_keeps_the_alarm(tmp_path):
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with watching(
        network, optimizer, tmp_path / "run", log_density=10, every=1, cost="light",
        max_overhead=None,
    ) as monitor:  # fmt: skip
        monitor.batch(random_batch(64))
        step(optimizer, 105)
        with torch.no_grad():
            network[-1].bias.fill_(1e9)
        step(optimizer, 1)
        assert [alarm.update for alarm in monitor.alarms] == [106]
        step(optimizer, 94)
    run = load_run(tmp_path / "run")
    steps = run.series["diverge/q_abs_max"].steps.tolist()
    assert steps[:10] == list(range(1, 11))  # each one while they are few
    assert steps[-4:] == [147, 164, 183, 200]  # then each 1/10 of the run, and the last
    assert steps[steps.index(106) - 1 :][:3] == [104, 106, 118]


@contextmanager
def measured_at_every_update(folder, learning_rate):
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=learning_rate)
    with attach(network, optimizer=optimizer, out=folder, every=1, max_overhead=None) as monitor:
        monitor.batch(random_batch(64))
        yield optimizer


def test_a_period_is_counted_in_measurements(tmp_path):
    with measured_at_every_update(tmp_path / "run", 0.01) as optimizer:
        step(optimizer, 10)
    series = load_run(tmp_path / "run").series
    assert series["diverge/td_definiteness"].steps.tolist() == [1, 5, 9, 10]
    assert series["diverge/srank"].steps.tolist() == [*range(1, 11), 10]


def test_a_warm_up_from_a_rate_of_zero_waits_for_its_kernels(tmp_path):
    with measured_at_every_update(tmp_path / "run", 0.0) as optimizer:
        step(optimizer, 2)
        optimizer.param_groups[0]["lr"] = 0.01
        step(optimizer, 2)
    series = load_run(tmp_path / "run").series
    assert series["diverge/q_max"].steps.tolist() == [1, 2, 3, 4, 4]
    assert series["diverge/modulus"].steps.tolist() == [3, 4, 4]


def test_memory_is_bounded_over_a_hundred_thousand_updates(tmp_path):
    torch.manual_seed(0)
    network, target = nn.Linear(4, 3), nn.Linear(4, 3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with attach(
        network, target=target, optimizer=optimizer, out=tmp_path / "run", every=50, cost="light",
        max_overhead=None, probe_refresh_period=1_000,
    ) as monitor:  # fmt: skip
        counts = []
        for count in range(100_000):
            if count % 500 == 0:
                monitor.batch(random_batch(64))
                target.bias.data.add_(1e-3)
            optimizer.step()
            if count in (60_000, 99_999):
                gc.collect()
                counts.append(len(gc.get_objects()))
    assert counts[1] <= counts[0] + 50
    size = (tmp_path / "run" / "events.jsonl").stat().st_size
    assert size / 2000 < 1_000  # bytes a measurement of the light tier, about half of that
    assert len(load_run(tmp_path / "run").syncs) == 200


@pytest.mark.parametrize("period", [5, 50])
def test_copies_into_the_target_are_seen_when_they_are_made(tmp_path, period):
    network, target = make_network(), make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with attach(network, target=target, optimizer=optimizer, out=tmp_path / "run") as monitor:
        monitor.batch(random_batch(64))
        for count in range(1, 201):
            with torch.no_grad():
                for parameter in network.parameters():
                    parameter.add_(1e-3)
            optimizer.step()
            if count % period == 0:
                for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
                    slow.data.copy_(fast.data)  # leaves no trace in the version counter
    syncs = [sync.update for sync in load_run(tmp_path / "run").syncs]
    assert syncs == [update + 1 for update in range(period, 200, period)]


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_target_in_any_precision_and_storage_is_seen(exchanged):
    target = nn.Linear(64, 32).to(torch.bfloat16)
    watch = TargetWatch(target, period=1)
    assert not watch.moves(1)
    if exchanged:
        target.weight.data = target.weight.data + 1.0
    else:
        target.weight.data.add_(1.0)
    assert watch.moves(2)
    assert not watch.moves(3)


def test_a_watch_goes_on_from_a_checkpoint_that_holds_numbers():
    watch = TargetWatch(nn.Linear(4, 2), period=1)
    watch.restore({"before": [[0.5, 0.25]], "changes": [3]})
    assert not watch.moves(4)
    assert watch.state()["changes"] == [3]


def test_a_target_that_is_not_finite_stands_still():
    target = nn.Linear(4, 2)
    watch = TargetWatch(target, period=1)
    target.weight.data.fill_(math.nan)
    assert [watch.moves(update) for update in (1, 2, 3)] == [[1], [], []]


def test_updates_between_measurements_are_on_the_account(tmp_path):
    network = make_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    with attach(network, optimizer=optimizer, out=tmp_path / "run", every=10) as monitor:
        monitor.batch(random_batch(64))
        step(optimizer, 9)
        assert monitor.num_measured["light"] == 0
        assert 0 < monitor.budget.calls <= monitor.budget.spent


def test_a_target_that_follows_at_every_update_is_continuous():
    target = nn.Linear(4, 2)
    slow, fast = TargetWatch(target, period=1), TargetWatch(target, period=1)
    for update in range(1, 200):
        with torch.no_grad():
            target.weight.mul_(1.01)
        fast.moves(update)
        if update % 10 == 0:
            slow.moves(update)
    assert fast.is_continuous
    assert not slow.is_continuous


def test_a_watch_and_a_probe_of_critics_go_on_from_their_state():
    target = nn.Linear(4, 2)
    watch = TargetWatch(target, period=1)
    s, a = torch.randn(5, 4), torch.randn(5, 2)
    probe = ProbeBatch(size=8, refresh_period=10)
    probe.show(SarsaTransitions(s, a, torch.ones(5), s + 1, torch.zeros(5), a + 1), update=1)
    state = load_state(dump_state({"watch": watch.state(), "probe": probe.state()}))
    target.bias.data.add_(1.0)  # copied into while nobody looked
    watch_on, probe_on = TargetWatch(target, period=1), ProbeBatch(size=8, refresh_period=10)
    watch_on.restore(state["watch"])
    probe_on.restore(state["probe"])
    assert watch_on.moves(2)
    assert torch.equal(probe_on.batch.next_actions, a + 1)
    assert probe_on.wants(2)
