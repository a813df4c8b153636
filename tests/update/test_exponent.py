"""The exponent of the real update against whole Jacobians, closed forms, and brute force."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from qdiverge.agents.discrete.categorical import (
    bootstrap_distribution,
    categorical_loss,
    projected,
)
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.transitions import SarsaTransitions, Transitions
from qdiverge.update import sketch, update_exponent
from qdiverge.update.copies import copies_of
from qdiverge.update.state import State
from qdiverge.update.td_update import LOSSES, TdUpdate
from tests.chance import assert_most
from tests.theory.problems import BAIRD_START
from tests.theory.problems import baird as baird_features
from tests.update.cases import Critic, measured_and_true

F = torch.float64
MEASURED = 993, 1000  # within the stated error, of the cases from seed 1250 on


def test_lies_within_its_error_of_the_whole_jacobian():
    """SGD, momentum, Nesterov, both decays, Adam and RMSprop held fast, Polyak, periods, twins.

    Those that were not decay slowly, in a direction that the start hardly holds.
    """
    found = [each for seed in range(60) if (each := measured_and_true(seed)) is not None]
    within = [abs(record.exponent - true) <= record.error for record, true in found]
    assert_most(within, 47, MEASURED)
    assert all(record.num_updates <= 60 for record, _ in found)


def one_weight(rewards=0.0):
    """w → 2w: s = 1 leads to s' = 2."""
    q_net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(q_net.weight)
    s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    return q_net, Transitions(s, a, torch.full((1,), rewards), 2 * s, torch.zeros(1))


@pytest.mark.parametrize("discount", [0.0, 0.4, 0.9])
@pytest.mark.parametrize("loss", ["half_squared", "squared"])
def test_w_to_2w(discount, loss):
    q_net, batch = one_weight()
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    found = update_exponent(q_net, batch, optimizer=sgd, discount=discount, loss=loss)
    slope = 2 if loss == "squared" else 1
    assert found.growth == pytest.approx(1 + slope * 0.1 * (2 * discount - 1), abs=1e-9)
    assert not found.is_rotating
    assert found.num_updates < 12
    assert found.error == 1e-6


def test_momentum_turns_one_weight():
    """x² − (1 + m + αμ)x + m with αμ = −.19, m = .81: |x| = √m."""
    q_net, batch = one_weight()
    batch = replace(batch, terminated=torch.ones(1))
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.19, momentum=0.81)
    found = update_exponent(q_net, batch, optimizer=sgd, loss="half_squared")
    assert found.growth == pytest.approx(0.9, abs=1e-8)
    assert found.is_rotating


def test_a_saturated_loss_neither_grows_nor_shrinks():
    q_net, batch = one_weight(rewards=50.0)
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    assert update_exponent(q_net, batch, optimizer=sgd).exponent == pytest.approx(0, abs=1e-9)


def baird(discount):
    problem = baird_features(discount)
    q_net = nn.Linear(8, 1, bias=False).double()
    q_net.weight.data = BAIRD_START[None].clone()
    batch = Transitions(
        problem.features, torch.zeros(7, dtype=torch.int64), problem.rewards,
        problem.successor_features[:, 0], torch.zeros(7),
    )  # fmt: skip
    return q_net, batch


@pytest.mark.parametrize("discount", [0.8, 0.99])
def test_bairds_star(discount):
    """The roots of λ² − (17γ − 15)/7 λ + 26(1 − γ)/49 beside −4/7: diverges iff γ > 15/17."""
    q_net, batch = baird(discount)
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.01)
    found = update_exponent(q_net, batch, optimizer=sgd, discount=discount, loss="half_squared")
    b, c = (17 * discount - 15) / 7, 26 * (1 - discount) / 49
    root = (complex(b * b / 4 - c)) ** 0.5
    expected = max(abs(1 + 0.01 * (b / 2 + sign * root)) for sign in (1, -1))
    assert found.growth == pytest.approx(expected, abs=1e-9)
    assert (found.growth > 1) == (discount > 15 / 17)
    assert found.is_rotating == (root.imag != 0)


@pytest.mark.parametrize(("period", "is_stable"), [(76, False), (77, True)])
def test_bairds_star_is_cured_by_a_target_of_77_updates(period, is_stable):
    q_net, batch = baird(0.99)
    sgd, slow = torch.optim.SGD(q_net.parameters(), lr=0.01), copy.deepcopy(q_net)
    found = update_exponent(
        q_net, batch, optimizer=sgd, target=slow, loss="half_squared", target_period=period
    )
    assert (found.growth < 1) == is_stable
    assert found.num_updates <= 60


class C51(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 10))

    def forward(self, x):
        return self.net(x).view(len(x), 2, 5)


def c51_update(copies, batch):
    (net,), (optimizer,) = copies.networks, copies.optimizers
    z = torch.linspace(-2, 2, 5).to(batch.rewards)
    with torch.no_grad():
        p = bootstrap_distribution("q", net, net, batch.next_observations, z)
        m = projected(p, batch.rewards, batch.terminated, 0.9, z)
    optimizer.zero_grad()
    found = categorical_loss(net(batch.observations), batch.actions, m, z)
    found.cross_entropies.mean().backward()
    optimizer.step()


def dense_growth(networks, optimizer, batch, update):
    """Return the spectral radius of the Jacobian of all state, column by column."""
    copies = copies_of(networks, [], [optimizer], F)
    state = State(copies)
    x = state.read()

    def after(y):
        state.write(y)
        update(copies, batch.to(torch.device("cpu"), F))
        return state.read()

    sizes = x.abs().clamp(min=1e-12)
    sizes[state.online] = sizes[state.online].clamp(min=1e-3)
    columns = [
        (after(x + h * e) - after(x - h * e)) / (2 * h)
        for e, h in zip(torch.eye(len(x), dtype=F), 1e-6 * sizes, strict=True)
    ]
    return float(torch.linalg.eigvals(torch.stack(columns, 1)).abs().max())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ["SGD", "Adam", "NAdam"])
def test_c51_under_any_optimiser_against_its_dense_jacobian(seed, kind):
    """Second moments live, so that their own responses count too."""
    torch.manual_seed(seed)
    q_net = C51()
    s = torch.randn(5, 2)
    batch = Transitions(
        s, torch.randint(2, (5,)), torch.randn(5), s + torch.randn(5, 2) / 3, torch.zeros(5) > 0
    )
    options = {"lr": 0.5, "momentum": 0.9} if kind == "SGD" else {"lr": 1e-2, "eps": 1e-3}
    optimizer = getattr(torch.optim, kind)(q_net.parameters(), **options)
    run = type("Run", (), {"networks": (q_net,), "optimizers": (optimizer,)})
    for _ in range(5):
        c51_update(run, batch)
    found = update_exponent(q_net, batch, optimizer=optimizer, update=c51_update, seed=seed)
    expected = math.log(dense_growth([q_net], optimizer, batch, c51_update))
    assert abs(found.exponent - expected) <= 3 * found.error + 1e-6
    assert found.error < 0.01
    assert found.num_updates <= 60


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_lengths_and_angles_of_a_sketch_against_the_dense_jacobian(kind, monkeypatch):
    """706 and 1,059 numbers, as if they were too many for exact ones."""
    monkeypatch.setattr(sketch, "_PRIMES", (127, 131))
    monkeypatch.setattr(sketch, "SHORT", 258)
    torch.manual_seed(0)
    q_net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(),
                          nn.Linear(16, 1))  # fmt: skip
    s = torch.randn(6, 3)
    batch = Transitions(s, torch.zeros(6).long(), torch.randn(6), 1.2 * s, torch.zeros(6) > 0)
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1, momentum=0.5)
    adam = torch.optim.Adam(q_net.parameters(), lr=1e-2, eps=1e-3)
    update = TdUpdate(0.9, LOSSES["half_squared"], "q")
    run = copies_of([q_net], [], [sgd if kind == "SGD" else adam])
    for _ in range(5):
        update(run, batch)
    (net,), (optimizer,) = run.networks, run.optimizers
    found = update_exponent(net, batch, optimizer=optimizer, discount=0.9, loss="half_squared")
    expected = math.log(dense_growth([net], optimizer, batch, update))
    assert abs(found.exponent - expected) <= found.error + 1e-6
    assert found.error < 0.01
    assert found.num_updates <= 60


def test_the_cost_is_what_is_counted():
    calls = []

    def update(copies, batch):
        calls.append(1)
        c51_update(copies, batch)

    torch.manual_seed(0)
    q_net, s = C51(), torch.randn(8, 2)
    batch = Transitions(s, torch.zeros(8).long(), torch.randn(8), s, torch.zeros(8) > 0)
    adam = torch.optim.Adam(q_net.parameters(), lr=0.01)
    for most in (16, 30, 60):
        calls.clear()
        found = update_exponent(q_net, batch, optimizer=adam, update=update, num_updates=most)
        assert found.num_updates == len(calls) <= most
    calls.clear()
    found = update_exponent(q_net, [batch, batch], optimizer=adam, update=update)
    assert found.num_updates == len(calls) <= 60


def test_several_batches_are_one_update_each():
    """(1 + α(2γ − 1)) and (1 − α) in turn: the root of their product."""
    q_net, batch = one_weight()
    ended = replace(batch, terminated=torch.ones(1))
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    batches = [batch, ended]
    found = update_exponent(q_net, batches, optimizer=sgd, discount=0.9, loss="half_squared")
    assert found.growth == pytest.approx((1.08 * 0.9) ** 0.5, abs=1e-9)


def test_a_tie_of_greedy_actions_is_no_place_for_a_derivative():
    q_net = nn.Linear(3, 2, bias=False)
    nn.init.zeros_(q_net.weight)
    s, s_next = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    batch = Transitions(s, torch.arange(6) % 2, torch.zeros(6), s_next, torch.zeros(6))
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    found = update_exponent(q_net, batch, optimizer=sgd)
    assert not found.is_smooth
    assert "kink" in str(found)
    with torch.no_grad():
        q_net.weight += torch.randn(2, 3, generator=torch.Generator().manual_seed(1))
    assert update_exponent(q_net, batch, optimizer=sgd).is_smooth


def test_a_policy_and_entropy_are_the_batch_with_its_next_actions():
    critic = Critic(3)
    s, s_next = torch.randn(2, 4, 2)
    a, r, d = torch.randn(4, 1), torch.randn(4), torch.zeros(4)
    adam = torch.optim.Adam(critic.parameters(), lr=0.01)
    plain = Transitions(s, a, r, s_next, d)
    found = update_exponent(
        critic, plain, optimizer=adam, policy=lambda x: (x[:, :1], x[:, 1]), entropy_coefficient=0.2
    )
    shifted = SarsaTransitions(s, a, r - 0.99 * 0.2 * s_next[:, 1], s_next, d, s_next[:, :1])
    expected = update_exponent(critic, shifted, optimizer=adam)
    assert found.exponent == pytest.approx(expected.exponent, abs=1e-6)


def test_what_cannot_be_answered_is_refused():
    q_net, batch = one_weight()
    sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    slow = copy.deepcopy(q_net)
    for error, match, options in [
        (InvalidTypeError, "one optimiser", {}),
        (InvalidValueError, "num_updates", {"optimizer": sgd, "num_updates": 15}),
        (InvalidValueError, "target_period or polyak", {"optimizer": sgd, "target": slow}),
        (InvalidValueError, "need a target", {"optimizer": sgd, "polyak": 0.1}),
        (InvalidValueError, "both", {"optimizer": sgd, "target": slow, "polyak": 1,
                                     "target_period": 2}),
        (InvalidValueError, "loss", {"optimizer": sgd, "loss": "l1"}),
        (InvalidValueError, "move something", {"optimizer": torch.optim.SGD(
            q_net.parameters(), lr=0.0)}),
    ]:  # fmt: skip
        with pytest.raises(error, match=match):
            update_exponent(q_net, batch, **options)
    with pytest.raises(InvalidValueError, match="next action"):
        update_exponent(
            Critic(2), Transitions(torch.ones(1, 1), torch.ones(1, 1), torch.ones(1),
                                   torch.ones(1, 1), torch.ones(1)), optimizer=sgd
        )  # fmt: skip
    q_net.weight.data.fill_(math.nan)
    with pytest.raises(InvalidValueError, match="finite"):
        update_exponent(q_net, batch, optimizer=sgd)


def test_a_state_beside_it_keeps_centred_moments_possible():
    q_net, batch = one_weight(rewards=1.0)
    rmsprop = torch.optim.RMSprop(q_net.parameters(), lr=0.1, centered=True)
    copies = copies_of([q_net], [], [rmsprop])
    q, optimizer = copies.networks[0], copies.optimizers[0]
    q(batch.observations).sum().backward()
    optimizer.step()
    state = State(copies)
    x = state.read()
    x[next(place.part for place in state.moments if place.key == "grad_avg")] += 1.0
    state.write(x)  # E[g²] of 0.01 and E[g] of 1.01 can not be
    q.zero_grad()
    (0 * q(batch.observations)).sum().backward()
    optimizer.step()
    assert bool(torch.isfinite(state.read()).all())
