"""Updates, losses and replays of the caller's own: copies are the run, which does not move."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.rehearsal import rehearse
from qdiverge.update.copies import Copies
from qdiverge.update.td_update import average, rows_of
from tests.rehearsal.test_faithful import PROBE, EveryOther, of_critics
from tests.rehearsal.test_rehearse import Critic, batches, flat, mlp

optim = torch.optim


def sizes_of(update, copies, data, polyak=None):
    """Make the run's own updates; return max|Q| on the probe after each."""
    sizes = []
    for b in data:
        update(copies, rows_of(b))
        if polyak is not None:
            average(copies, polyak)
        actions = b.actions if b.actions.is_floating_point() else None
        probe = data[0] if actions is not None else PROBE
        inputs = probe.observations, probe.actions if actions is not None else None
        sizes.append(largest_value(copies.networks, *inputs, is_quiet=True))
    return sizes


class OfReturns(nn.Module):
    """11 atoms between −10 and 10 for each action; called, it returns their mean."""

    def __init__(self):
        super().__init__()
        self.net = mlp(out=33)
        self.register_buffer("support", torch.linspace(-10, 10, 11))

    def logits(self, s):
        return self.net(s).unflatten(1, (3, 11))

    def forward(self, s):
        return (self.logits(s).softmax(2) * self.support).sum(2)


def of_atoms(copies, rows):
    """C51's update, its target projected."""
    (q,), (slow,), (adam,), b = copies.networks, copies.targets, copies.optimizers, rows.transitions
    z, each = q.support, torch.arange(len(b.rewards))
    with torch.no_grad():
        p = slow.logits(b.next_observations).softmax(2)[each, slow(b.next_observations).argmax(1)]
        place = (b.rewards[:, None] + 0.9 * (1 - b.terminated)[:, None] * z).clamp(-10, 10) / 2 + 5
        share = (1 - (place[:, :, None] - torch.arange(11.0)).abs()).clamp(0, 1)
        target = (p[:, :, None] * share).sum(1)
    loss = -(target * q.logits(b.observations)[each, b.actions].log_softmax(1)).sum(1).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()


class OfQuantiles(nn.Module):
    """7 quantiles for each action; called, it returns their mean."""

    def __init__(self):
        super().__init__()
        self.net = mlp(out=21)

    def quantiles(self, s):
        return self.net(s).unflatten(1, (3, 7))

    def forward(self, s):
        return self.quantiles(s).mean(2)


def by_quantiles(copies, rows):
    """QR-DQN's update."""
    (q,), (slow,), (adam,), b = copies.networks, copies.targets, copies.optimizers, rows.transitions
    each = torch.arange(len(b.rewards))
    with torch.no_grad():
        best = slow(b.next_observations).argmax(1)
        y = slow.quantiles(b.next_observations)[each, best]
        y = b.rewards[:, None] + 0.9 * (1 - b.terminated)[:, None] * y
    δ = y[:, None, :] - q.quantiles(b.observations)[each, b.actions][:, :, None]
    τ = ((torch.arange(7) + 0.5) / 7)[:, None]
    huber = functional.smooth_l1_loss(δ, torch.zeros_like(δ), reduction="none")
    adam.zero_grad()
    ((τ - (δ < 0).float()).abs() * huber).mean(2).sum(1).mean().backward()
    adam.step()


@pytest.mark.parametrize(("kind", "update"), [(OfReturns, of_atoms), (OfQuantiles, by_quantiles)])
def test_distributions_are_refused_without_an_update_and_the_run_with_one(kind, update):
    q = kind()
    slow, adam = copy.deepcopy(q), optim.Adam(q.parameters(), lr=1e-2)
    options = {"optimizer": adam, "probe": PROBE, "reward_bound": 1e6, "num_updates": 10}
    if kind is OfReturns:
        with pytest.raises(qd.InvalidTypeError, match="keeps its support"):
            rehearse(q, batches(), **options)
    else:  # nothing about it says that its 21 outputs are no actions
        flat_ = rehearse(q.net, batches(), **options)
        assert "Of 21 outputs the data hold the first 3 alone" in str(flat_)
    ahead = rehearse(q, batches(), target=slow, polyak=0.1, update=update, num_orders=1, **options)
    sizes = sizes_of(update, Copies((q,), (slow,), (adam,)), batches()[:10], polyak=0.1)
    assert ahead.q_abs_max[0].tolist() == sizes


class Gaussian(nn.Module):
    """A policy that draws; returns a and log π."""

    def __init__(self):
        super().__init__()
        self.body = mlp(2, out=4)

    def forward(self, s):
        mean, log_std = self.body(s).chunk(2, 1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-5, 2).exp())
        u = normal.rsample()
        a = torch.tanh(u)
        return a, (normal.log_prob(u) - torch.log(1 - a * a + 1e-6)).sum(1)


def soft(copies, rows):
    """SAC's update, the temperature's too."""
    policy, of_policy, log_α, of_α = copies.others
    b, (of_critics,) = rows.transitions, copies.optimizers
    with torch.no_grad():
        a, log_π = policy(b.next_observations)
        value = torch.minimum(*(slow(b.next_observations, a) for slow in copies.targets))
        y = b.rewards + 0.9 * (1 - b.terminated) * (value - log_α.exp() * log_π)
    of_critics.zero_grad()
    sum(functional.mse_loss(q(b.observations, b.actions), y) for q in copies.networks).backward()
    of_critics.step()
    a, log_π = policy(b.observations)
    of_policy.zero_grad()
    least = torch.minimum(*(q(b.observations, a) for q in copies.networks))
    (log_α.exp().detach() * log_π - least).mean().backward()
    of_policy.step()
    of_α.zero_grad()
    (-log_α * (log_π.detach() - 2)).mean().backward()
    of_α.step()


def of_sac():
    critics, policy = [Critic(0), Critic(1)], Gaussian()
    adam = optim.Adam([p for c in critics for p in c.parameters()], lr=3e-3)
    log_α = torch.zeros(1, requires_grad=True)
    others = (policy, optim.Adam(policy.parameters(), lr=3e-3), log_α, optim.Adam([log_α], lr=0.1))
    return Copies(tuple(critics), tuple(copy.deepcopy(critics)), (adam,), others)


def of_actions():
    return of_critics()[1]["data"]


def test_a_soft_update_trains_the_temperature_too_as_the_run_does():
    run, data = of_sac(), of_actions()
    torch.manual_seed(5)
    ahead = rehearse(
        run.networks, data, optimizer=run.optimizers[0], target=run.targets, polyak=0.05,
        update=soft, others=run.others, probe=data[0], num_updates=8, num_orders=1,
        reward_bound=1e6, seed=None,
    )  # fmt: skip
    assert run.others[2].item() == 0.0
    assert ahead.q_abs_max[0].tolist() == sizes_of(soft, run, data[:8], polyak=0.05)
    assert run.others[2].item() != 0.0


def test_a_temperature_that_copies_would_hold_is_refused_or_said():
    run, data = of_sac(), of_actions()
    policy, adam, log_α, _ = run.others
    options = {
        "optimizer": run.optimizers[0], "target": run.targets, "polyak": 0.05, "num_updates": 2,
        "policy": policy, "policy_optimizer": adam,
    }  # fmt: skip
    with pytest.raises(qd.InvalidTypeError, match="a tensor that is learnt"):
        rehearse(run.networks, data, entropy_coefficient=log_α.exp(), **options)
    said = str(rehearse(run.networks, data, entropy_coefficient=0.2, **options))
    assert "The entropy coefficient was held at 0.2" in said
    assert "entropy" not in str(rehearse(run.networks, data, **options))


@pytest.mark.parametrize("which", ["the temperature", "the policy", "all"])
def test_what_an_update_reaches_of_the_run_is_put_back_and_refused(which):
    run, data = of_sac(), of_actions()
    policy, of_policy, log_α, of_α = run.others
    trained = {"the temperature": (log_α, of_α), "the policy": (policy, of_policy), "all": ()}
    before = copy.deepcopy([policy.state_dict(), of_policy.state_dict(), log_α.item()])

    def own(copies, rows):
        mine = copies.others
        if which == "the temperature":
            mine = (*mine[:2], *trained[which])
        elif which == "the policy":
            mine = (*trained[which], *mine[2:])
        else:
            mine = (policy, of_policy, log_α, of_α)
        soft(Copies(copies.networks, copies.targets, copies.optimizers, mine), rows)

    with pytest.raises(qd.InvalidValueError, match="must move the copies"):
        rehearse(
            run.networks, data, optimizer=run.optimizers[0], target=run.targets, polyak=0.05,
            update=own, others=run.others, num_updates=3,
        )  # fmt: skip
    now = [policy.state_dict(), of_policy.state_dict(), log_α.item()]
    assert before[2] == now[2]
    assert torch.equal(flat(before[:2]), flat(now[:2]))
    assert not of_α.state
    assert log_α.grad is None


@pytest.mark.parametrize("is_other", [False, True])
def test_a_scaler_of_gradients_skips_and_grows_in_the_copies_as_in_the_run(is_other):
    """Its first scales overflow, and steps are left out until it is small enough."""
    q, scaler = mlp(), torch.amp.GradScaler("cpu", init_scale=2.0**124, growth_interval=2)
    sgd = optim.SGD(q.parameters(), lr=1e-4)

    def own(copies, rows):
        mine = copies.others[0] if is_other else scaler
        b, (net,), (opt,) = rows.transitions, copies.networks, copies.optimizers
        chosen = net(b.observations).gather(1, b.actions[:, None]).squeeze(1)
        opt.zero_grad()
        mine.scale(1e3 * functional.smooth_l1_loss(chosen, b.rewards)).backward()
        mine.step(opt)
        mine.update()

    others = (scaler,) if is_other else ()
    scaler.scale(torch.ones(1))  # which makes its tensors
    before = scaler.state_dict()
    ahead = rehearse(
        q, batches(), optimizer=sgd, update=own, others=others, probe=PROBE, num_updates=12,
        num_orders=2, reward_bound=1e6, seed=None,
    )  # fmt: skip
    assert scaler.state_dict() == before
    sizes = sizes_of(own, Copies((q,), (), (sgd,), others), batches())
    assert ahead.q_abs_max[0].tolist() == sizes
    assert 2 < len(set(sizes)) < 12
    assert scaler.state_dict() != before


def test_each_copy_counts_and_draws_for_itself_as_the_run_does():
    q, count, log, seen = mlp(), 3, [], np.zeros(3)
    rng, pythons = np.random.default_rng(0), random.Random(0)
    adam = optim.Adam(q.parameters(), lr=1e-2)

    def own(copies, rows):
        nonlocal count
        count += 1
        log.append(count)
        seen[count % 3] += 1
        b, (net,), (opt,) = rows.transitions, copies.networks, copies.optimizers
        factor = count * seen[0] + len(log) + rng.random() + pythons.random()
        chosen = net(b.observations).gather(1, b.actions[:, None]).squeeze(1)
        opt.zero_grad()
        functional.mse_loss(chosen, factor * b.rewards).backward()
        opt.step()

    def state():
        return count, list(log), seen.tolist(), rng.bit_generator.state, pythons.getstate()

    before = copy.deepcopy(state())
    options = {"optimizer": adam, "update": own, "probe": PROBE, "reward_bound": 1e6}
    ahead = rehearse(q, batches(), num_updates=6, num_orders=3, seed=None, **options)
    qd.what_if(q, batches(), num_updates=3, **options)
    assert state() == before
    assert ahead.q_abs_max[0].tolist() == sizes_of(own, Copies((q,), (), (adam,)), batches()[:6])
    assert count == 9


class Filling:
    """Draws without replacement, into arrays of its own that it returns each time."""

    def __init__(self):
        self.pool, self.rng = batches(10), np.random.default_rng(0)
        self.order, self.place, self.priorities = np.arange(10), 10, [0] * 10
        self.out = {name: value.clone() for name, value in vars(self.pool[0]).items()}

    def sample(self):
        if self.place == 10:
            self.rng.shuffle(self.order)
            self.place = 0
        index = self.order[self.place]
        self.priorities[index] += 1
        for name, value in self.out.items():
            value.copy_(getattr(self.pool[index], name))
        self.place += 1
        return self.out


def test_what_a_replay_fills_again_and_again_is_each_copys_own():
    """One array for all batches made the last one drawn the batch of every copy."""
    replay, q = Filling(), mlp()
    sgd = optim.SGD(q.parameters(), lr=0.1)
    mine = replay.sample()
    before = copy.deepcopy([mine, replay.order, replay.place, replay.priorities])
    options = {"optimizer": sgd, "num_updates": 12, "reward_bound": 1e3, "probe": PROBE}
    alone = rehearse(q, replay.sample, **options)
    together = rehearse(q, replay.sample, is_stacked=True, **options)
    assert np.allclose(alone.q_abs_max, together.q_abs_max, rtol=1e-4)
    own = rehearse(q, replay.sample, seed=None, **options).q_abs_max[0]
    now = [mine, replay.order, replay.place, replay.priorities]
    assert all(torch.equal(before[0][name], mine[name]) for name in mine)
    assert [np.array_equal(*pair) for pair in zip(before[1:], now[1:], strict=True)] == [True] * 3
    data = [replay.pool[0]] * 12
    for number in range(12):
        data[number] = rows_of(replay.sample()).map(torch.clone)
    given = rehearse(q, data, seed=None, num_orders=1, **options)
    assert own.tolist() == given.q_abs_max[0].tolist()


def test_an_optimiser_of_ones_own_is_copied_whole_for_the_actor_too():
    critics, options = of_critics()
    actor = options["policy"]
    every = {n: EveryOther(actor.parameters(), lr=0.1, every=n) for n in (1, 3, 100)}
    ends = [
        rehearse(critics, **options | {"policy_optimizer": each, "num_updates": 6, "num_orders": 1})
        for each in every.values()
    ]
    assert len({end.q_abs_max[0, -1] for end in ends}) == 3
    assert every[3].count == 0
