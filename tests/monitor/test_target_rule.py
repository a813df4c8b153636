"""How a target follows is seen from outside: copies and their period, averaging and its τ."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.monitor import attach, dump_state, load_state
from qdiverge.monitor.target_rule import NUM_AVERAGED, TargetRule
from qdiverge.monitor.target_watch import TargetWatch
from qdiverge.runs import load_run
from tests.monitor.test_monitor import random_batch


def watched(num_updates, follow, period=1, dtype=torch.float32):
    """Train a network at random beside a target that ``follow(update, target, network)`` moves."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3)).to(dtype)
    target = copy.deepcopy(network)
    watch, moves = TargetWatch(target, period, network), []
    for update in range(1, num_updates + 1):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
            moves += watch.moves(update)  # as after a step
            follow(update, target, network)
    return watch, moves


def copied_every(period):
    def follow(update, target, network):
        if update % period == 0:
            target.load_state_dict(network.state_dict())

    return follow


def averaged(τ, every=1):
    def follow(update, target, network):
        if update % every == 0:
            for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
                slow.data.mul_(1 - τ).add_(τ * fast.data)

    return follow


@pytest.mark.parametrize("period", [1, 7, 40])
@pytest.mark.parametrize("look_period", [1, 25])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_period_of_copies_is_known_once_two_were_seen(period, look_period, dtype):
    once, _ = watched(2 * period, copied_every(period), dtype=dtype)
    assert once.rule.fields == {}
    assert "not moved twice" in once.rule.why_not
    watch, moves = watched(100, copied_every(period), look_period, dtype)
    assert watch.rule.fields == {"target_period": period}
    assert moves == list(range(period + 1, 101, period))  # seen at the update after


@pytest.mark.parametrize("τ", [0.5, 0.05, 0.005, 0.001])
@pytest.mark.parametrize("look_period", [1, 25])
def test_the_share_of_averaging_is_read_off_the_moves(τ, look_period):
    few, _ = watched(NUM_AVERAGED, averaged(τ))
    assert few.rule.fields == {}
    watch, _ = watched(100, averaged(τ), look_period)
    assert watch.rule.fields == {"polyak": τ}
    assert watch.rule.is_settled


@pytest.mark.parametrize("every", [2, 5])
def test_how_often_it_is_averaged_is_seen(every):
    watch, _ = watched(20 * every, averaged(0.05, every))
    assert watch.rule.fields == {"polyak": 0.05, "averaging_period": every}


def test_what_has_no_map_is_said_by_name():
    def now_and_then(update, target, network):
        if update % 7 in (0, 2, 3):
            averaged(0.005)(update, target, network)

    watch, _ = watched(60, now_and_then)
    assert watch.rule.fields == {}
    assert "averaged (τ = 0.005) at intervals of 1 and 2 and 4 updates" in watch.rule.why_not

    def uneven(update, target, network):
        if update in (5, 10, 17):
            target.load_state_dict(network.state_dict())

    watch, _ = watched(12, uneven)
    assert watch.rule.fields == {"target_period": 5}
    watch, _ = watched(30, uneven)
    assert watch.rule.fields == {}
    assert watch.rule.why_not == "it was copied after 5 and 7 updates, by no one period"

    def wild(update, target, network):
        for parameter in target.parameters():
            parameter.data.add_(torch.randn_like(parameter))

    watch, _ = watched(30, wild)
    assert watch.rule.fields == {}
    assert "neither copies nor averages" in watch.rule.why_not


def test_a_rule_goes_on_from_its_state():
    rule, again, θ = TargetRule(), TargetRule(), np.array([1.0, 2.0])
    rule.move(10, 0 * θ, θ, θ)
    again.restore(load_state(dump_state(rule.state())))
    again.move(25, θ, 2 * θ, 2 * θ)
    assert again.fields == {"target_period": 15}


def w_to_2w(tmp_path, copy_period):
    """One weight, s = 1 → s' = 2, γ = .9: diverges without a target network, α = .1."""
    network, target = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.01)
    target.load_state_dict(network.state_dict())
    s, zero = torch.ones(64, 1), torch.zeros(64)
    batch = qd.Transitions(s, zero.long(), zero, 2 * s, zero)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    monitor = attach(
        network, target=target, optimizer=optimizer, discount=0.9, loss="half_squared",
        out=tmp_path / "run", every=1, cost="full", max_overhead=None, audit_period=None,
    )  # fmt: skip
    radii = []
    for update in range(1, 2 * copy_period + 4):
        monitor.batch(batch)
        y = 0.9 * target(batch.next_observations)[:, 0].detach()
        optimizer.zero_grad()
        ((network(s)[:, 0] - y).square() / 2).mean().backward()
        optimizer.step()
        radii.append(monitor.latest["diverge/spectral_radius"])
        if update % copy_period == 0:
            target.load_state_dict(network.state_dict())
    monitor.close()
    return monitor, radii


def test_the_spectral_radius_is_of_the_target_that_was_seen(tmp_path):
    C, α, γ = 5, 0.1, 0.9
    monitor, radii = w_to_2w(tmp_path, C)
    assert monitor.rule.sources["target_period"] == "seen"
    assert "target copied every 5 updates" in load_run(tmp_path / "run").info["update_rule"]
    without = 1 + α * (2 * γ - 1)
    decay = (1 - α) ** C  # of θ towards its goal 2γθ⁻ between two copies
    period_map = decay + (1 - decay) * 2 * γ
    assert radii[0] == pytest.approx(without, rel=1e-5)
    assert radii[2 * C - 1] == pytest.approx(without, rel=1e-5)  # the second copy is seen after it
    assert radii[2 * C] == pytest.approx(period_map ** (1 / C), rel=1e-5)


def test_a_target_that_is_averaged_is_in_the_rule(tmp_path):
    network, target = nn.Linear(4, 3), nn.Linear(4, 3)
    target.load_state_dict(network.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    with attach(
        network, target=target, optimizer=optimizer, out=tmp_path / "run", audit_period=None
    ) as monitor:
        assert monitor.rule.polyak is None
        for _ in range(30):
            batch = monitor.batch(random_batch())
            optimizer.zero_grad()
            network(batch.observations).square().mean().backward()
            optimizer.step()
            for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
                slow.data.lerp_(fast.data, 0.01)
        assert (monitor.rule.polyak, monitor.rule.sources["polyak"]) == (0.01, "seen")
    info = load_run(tmp_path / "run").info
    assert "averaged with τ = 0.01" in info["update_rule"]
    assert "every update" in info["target_follows"]
