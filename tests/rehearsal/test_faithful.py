"""Copies are the run to the bit, or refused by name; and nothing of the run's moves."""

import copy
import dataclasses
import gc
import random
from contextlib import nullcontext
from functools import partial
from multiprocessing import Pipe
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.rehearsal import rehearse
from tests.rehearsal.test_rehearse import Actor, Critic, batches, mlp

optim = torch.optim
PROBE = batches(1, 20, seed=9)[0]
AUTOCAST = partial(torch.autocast, "cpu", torch.bfloat16)


def train(q, target, optimizer, *, around=nullcontext, scaler=None, scheduler=None, inner=None):
    """Write the run out as a user does; return max|Q| on the probe after each update."""
    sizes = []
    for number, b in enumerate(batches(), start=1):
        with around():
            with torch.no_grad():
                y = b.rewards + 0.9 * target(b.next_observations).amax(1) * (1 - b.terminated)
            chosen = q(b.observations).gather(1, b.actions[:, None]).squeeze(1)
            loss = functional.smooth_l1_loss(chosen, y)
        optimizer.zero_grad()
        (loss if scaler is None else scaler.scale(loss)).backward()
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        if scheduler is not None:
            scheduler.step()
        if number % 3 == 0:
            target.load_state_dict(q.state_dict())
        sizes.append(largest_value([q], PROBE.observations, None, is_quiet=True))
    return sizes


def ahead_and_run(q, optimizer, around=nullcontext, scheduler=None, **how):
    """Return what a rehearsal says of twelve updates, and what the run then does."""
    target = copy.deepcopy(q)
    with around():
        ahead = rehearse(
            q, batches(), optimizer=optimizer, target=target, target_period=3, discount=0.9,
            probe=PROBE, num_updates=12, num_orders=1, reward_bound=1e6, scheduler=scheduler,
        )  # fmt: skip
    return ahead, train(q, target, optimizer, around=around, scheduler=scheduler, **how)


def test_inside_autocast_copies_are_cast_as_the_run_is():
    """PyTorch keeps casts until the block ends: copies within one stood still."""
    q = mlp()
    ahead, sizes = ahead_and_run(q, optim.SGD(q.parameters(), lr=0.1), around=AUTOCAST)
    assert ahead.q_abs_max[0].tolist() == sizes
    assert len(set(sizes)) == 12


def test_stacked_copies_learn_inside_autocast():
    q = mlp()
    sgd = optim.SGD(q.parameters(), lr=0.1)
    with AUTOCAST():
        ahead = rehearse(q, batches(), optimizer=sgd, num_updates=5, is_stacked=True)
    assert torch.is_autocast_cache_enabled()
    assert (np.diff(ahead.q_abs_max) != 0).all()


def test_a_scaled_loss_is_the_same_run():
    q = mlp()
    scaler = torch.amp.GradScaler("cpu")
    ahead, sizes = ahead_and_run(q, optim.SGD(q.parameters(), lr=0.1), scaler=scaler)
    assert ahead.q_abs_max[0].tolist() == sizes


@pytest.mark.parametrize(
    "make",
    [
        partial(optim.lr_scheduler.StepLR, step_size=3, gamma=0.3),
        partial(optim.lr_scheduler.LambdaLR, lr_lambda=lambda k: 1 / (1 + k)),
        partial(optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=40),
        partial(optim.lr_scheduler.CosineAnnealingLR, T_max=10),
    ],
)
def test_a_scheduler_goes_on_in_the_copies(make):
    q = mlp()
    adam = optim.Adam(q.parameters(), lr=0.05)
    scheduler = make(adam)
    adam.step()
    scheduler.step()  # in the middle of a run
    before = copy.deepcopy(scheduler.state_dict()), adam.param_groups[0]["lr"]
    unsaid = rehearse(q, batches(), optimizer=adam, num_updates=2)
    assert "A scheduler sets the learning rate" in str(unsaid)
    ahead, sizes = ahead_and_run(q, adam, scheduler=scheduler)
    assert ahead.q_abs_max[0].tolist() == sizes
    assert "A scheduler" not in str(ahead)
    assert before[1] != adam.param_groups[0]["lr"]  # the run's went on; the copies' did not move it
    assert scheduler.last_epoch == before[0]["last_epoch"] + 12


def test_a_remedy_scales_what_the_scheduler_sets():
    q = mlp()
    sgd = optim.SGD(q.parameters(), lr=0.1)
    options = {"optimizer": sgd, "scheduler": optim.lr_scheduler.StepLR(sgd, 2, 0.1)}
    changes = {"tiny": {"learning_rate": 1e-9}}
    tried = qd.what_if(q, batches(), changes=changes, num_updates=6, num_orders=1, **options)
    still = tried.rows[1].rehearsal.q_abs_max[0]
    assert np.ptp(still) < 1e-6 < np.ptp(tried.rows[0].rehearsal.q_abs_max[0])


class EveryOther(optim.SGD):
    """Skips, by counts that ``torch.optim.Optimizer`` would not copy."""

    every = 1

    def __init__(self, parameters, lr, every):
        super().__init__(parameters, lr)
        self.every, self.count = every, 0

    def step(self, closure=None):
        self.count += 1
        if self.count % self.every == 0:
            super().step(closure)


def test_an_optimiser_of_ones_own_is_copied_with_what_it_keeps():
    q = mlp()
    own = EveryOther(q.parameters(), lr=0.1, every=3)
    ahead, sizes = ahead_and_run(q, own)
    assert ahead.q_abs_max[0].tolist() == sizes
    assert own.count == 12


NORMS = [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm,
         nn.utils.parametrizations.weight_norm]  # fmt: skip


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.filterwarnings("ignore")
def test_normalised_weights_are_copied(norm):
    torch.manual_seed(0)
    q = nn.Sequential(norm(nn.Linear(4, 16)), nn.ReLU(), nn.Linear(16, 3))
    ahead, sizes = ahead_and_run(q, optim.SGD(q.parameters(), lr=0.1))
    assert ahead.q_abs_max[0].tolist() == sizes


def replaced(optimizer):
    own = optimizer.step
    optimizer.step = lambda *a: own(*a)
    return optimizer


class Closed(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = mlp()
        self.call = lambda s: self.net(s)

    def forward(self, s):
        return self.call(s)


def refused(q, said, kind=qd.InvalidTypeError, data=None, **options):
    options = {"optimizer": optim.SGD(q.parameters(), lr=0.1), "num_updates": 2} | options
    with pytest.raises(kind, match=said):
        rehearse(q, batches() if data is None else data, **options)


def test_what_no_copy_takes_along_is_refused_by_name():
    q = mlp()
    refused(q, "step must be that of SGD", optimizer=replaced(optim.SGD(q.parameters(), lr=0.1)))
    closed = Closed()
    refused(closed, "must use its own parameters")
    assert closed.net[0].weight.grad is None
    other = mlp(width=8)
    value = qd.InvalidValueError
    refused(q, "target must have parameters of the shapes", value, target=other, target_period=2)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(sgd := optim.SGD(q.parameters(), lr=0.1))
    refused(q, "needs a metric", optimizer=sgd, scheduler=plateau)
    foreign = optim.lr_scheduler.StepLR(optim.SGD(q.parameters(), lr=0.1), 2)
    refused(q, "one of another", value, scheduler=foreign)
    refused(q, "scheduler must be an? LRScheduler", scheduler="cosine")


def of_critics():
    critics, actor = [Critic(0), Critic(1)], Actor(2)
    data = [dataclasses.replace(b, actions=torch.rand(8, 2) * 2 - 1) for b in batches()]
    options = {
        "optimizer": optim.Adam([p for c in critics for p in c.parameters()], lr=3e-3),
        "target": copy.deepcopy(critics), "polyak": 0.05, "policy": actor, "data": data,
        "policy_optimizer": optim.Adam(actor.parameters(), lr=3e-3), "num_updates": 3,
        "policy_target": copy.deepcopy(actor),
    }  # fmt: skip
    return critics, options


def test_parts_of_critics_that_do_not_belong_together_are_refused():
    critics, options = of_critics()
    slow, value = options["policy_target"], qd.InvalidValueError
    assert not rehearse(critics, **options).diverges
    cases = [
        ("policy_target that follows", qd.InvalidTypeError, {"policy_target": lambda s: slow(s)}),
        ("as many networks", value, {"target": options["target"][:1]}),
        ("none of network 2 of 2", value, {"optimizer": optim.Adam(critics[0].parameters())}),
        ("must hold parameters of the policy", value,
         {"policy_optimizer": optim.Adam(Actor(5).parameters())}),
        ("policy_target must have parameters", value, {"policy_target": mlp(out=2, width=7)}),
    ]  # fmt: skip
    for said, kind, change in cases:
        with pytest.raises(kind, match=said):
            rehearse(critics, **options | change)


def test_hooks_that_stay_behind_are_said_and_not_called():
    q, calls = mlp(), []
    q[2].register_forward_hook(lambda *_: calls.append(1))
    q[0].weight.register_hook(lambda g: g.clamp(-1e-3, 1e-3))
    sgd = optim.SGD(q.parameters(), lr=0.1)
    ahead = rehearse(q, batches(), optimizer=sgd, num_updates=3)
    qd.what_if(q, batches(), optimizer=sgd, num_updates=3)
    assert "2 of somebody's hooks" in str(ahead)
    assert not calls


class Keeps(nn.Module):
    """Leaves in itself what it last computed."""

    def __init__(self):
        super().__init__()
        self.net, self.features = mlp(), None

    def forward(self, s):
        self.features = self.net[0](s)
        return self.net(s)


def test_a_network_keeps_nothing_of_its_stacked_copies():
    q = Keeps()
    qd.what_if(q, batches(), optimizer=optim.SGD(q.parameters(), lr=0.1), num_updates=2)
    assert q.features is None


class Branching(Keeps):
    def forward(self, s):
        return self.net(s / 2 if s.max() > 1 else s)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, s):
        return self.head(self.cell(s[:, None])[0][:, -1])


class Shaky(Keeps):
    def forward(self, s):
        return self.net(s + 0.1 * torch.randn_like(s))


@pytest.mark.parametrize("kind", [Branching, Recurrent, Shaky])
def test_what_cannot_be_stacked_is_trained_one_by_one(kind):
    q = kind()
    sgd = optim.SGD(q.parameters(), lr=0.1)
    before = torch.get_rng_state()
    flight = qd.preflight(q, batches(), optimizer=sgd, num_updates=4)
    assert torch.equal(before, torch.get_rng_state())
    alone = rehearse(q, batches(), optimizer=sgd, num_updates=4)
    assert flight.rehearsal.q_abs_max.tolist() == alone.q_abs_max.tolist()


def test_a_network_that_draws_in_its_calls_is_the_run():
    q, sizes = Shaky(), []
    adam, pool = optim.Adam(q.parameters(), lr=1e-2), batches(20)

    def draw():
        return pool[int(torch.randint(len(pool), ()))]

    torch.manual_seed(3)
    ahead = rehearse(
        q, draw, optimizer=adam, discount=0.9, reward_bound=1e3, probe=PROBE, num_updates=8,
        num_orders=1, seed=None,
    )  # fmt: skip
    for _ in range(8):
        b = draw()
        with torch.no_grad():
            y = b.rewards + 0.9 * (1 - b.terminated) * q(b.next_observations).amax(1)
        adam.zero_grad()
        chosen = q(b.observations).gather(1, b.actions[:, None]).squeeze(1)
        functional.smooth_l1_loss(chosen, y).backward()
        adam.step()
        sizes.append(largest_value([q], PROBE.observations, None, is_quiet=True))
    assert ahead.q_abs_max[0].tolist() == sizes


def test_an_update_that_moves_the_run_is_refused_and_undone():
    q = mlp()
    adam = optim.Adam(q.parameters(), lr=0.1)

    def own(copies, rows):
        b = rows.transitions
        adam.zero_grad()
        q(b.observations).square().mean().backward()
        adam.step()

    before = copy.deepcopy(q.state_dict())
    with pytest.raises(qd.InvalidValueError, match="must move the copies"):
        rehearse(q, batches(), optimizer=adam, update=own, num_updates=3)
    assert all(map(torch.equal, before.values(), q.state_dict().values()))
    assert not adam.state
    assert q[0].weight.grad is None


class Prioritised:
    """Draws by a generator of its own; its weights' exponent grows with each draw."""

    def __init__(self):
        self.pool, self.rng = batches(30), np.random.default_rng(0)
        self.priorities, self.beta, self.order = np.arange(1.0, 31.0), 0.4, None

    def sample(self, num=1):
        p = self.priorities / self.priorities.sum()
        self.order = self.rng.permutation(30)
        i = int(self.rng.choice(30, p=p))
        self.beta = min(1.0, self.beta + 0.1)
        weights = torch.full((8,), float((30 * p[i]) ** -self.beta))
        return {name: getattr(self.pool[i], name) for name in vars(self.pool[i])} | {
            "weights": weights
        }

    def state(self):
        return [self.rng.bit_generator.state, self.beta, self.order, self.priorities.tolist()]


REPLAY = Prioritised()
FUNCTIONS = {
    "method": lambda replay: replay.sample,
    "closure": lambda replay: lambda: replay.sample(1),
    "partial": lambda replay: partial(replay.sample, 1),
    "global": lambda _: lambda: REPLAY.sample(1),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_a_replay_is_asked_and_put_back(kind):
    replay = REPLAY if kind == "global" else Prioritised()
    q = mlp()
    before = copy.deepcopy(replay.state())
    pythons = random.getstate()
    options = {"optimizer": optim.Adam(q.parameters(), lr=0.01), "reward_bound": 10.0}
    ahead = rehearse(q, FUNCTIONS[kind](replay), num_updates=5, **options)
    qd.what_if(q, FUNCTIONS[kind](replay), num_updates=5, **options)
    assert replay.state() == before
    assert random.getstate() == pythons
    assert len({tuple(row) for row in ahead.q_abs_max.tolist()}) == 3


def test_a_replay_with_a_generator_of_its_own_in_the_runs_order_is_the_run():
    replay, q, sizes = Prioritised(), mlp(), []
    adam = optim.Adam(q.parameters(), lr=0.01)
    ahead = rehearse(
        q, replay.sample, optimizer=adam, discount=0.9, reward_bound=1e3, probe=PROBE,
        num_updates=8, num_orders=2, seed=None,
    )  # fmt: skip
    for _ in range(8):
        b = replay.sample()
        with torch.no_grad():
            y = q(b["next_observations"]).amax(1).masked_fill(b["terminated"].bool(), 0.0)
            y = b["rewards"] + 0.9 * y
        adam.zero_grad()
        chosen = q(b["observations"]).gather(1, b["actions"][:, None]).squeeze(1)
        (b["weights"] * functional.smooth_l1_loss(chosen, y, reduction="none")).mean().backward()
        adam.step()
        sizes.append(largest_value([q], PROBE.observations, None, is_quiet=True))
    assert ahead.q_abs_max[0].tolist() == sizes


def test_a_pipe_of_the_run_outlives_a_copy_that_cannot_be_made():
    """A copied pipe closed the run's own with it: environments in other processes were lost."""
    ours, theirs = Pipe()
    q = mlp()
    still = {"update": lambda *_: None, "others": (SimpleNamespace(pipe=ours),)}
    refused(q, "a pipe to another process", **still)
    gc.collect()
    ours.send("on")
    assert theirs.recv() == "on"
    copyable = {"update": lambda *_: None, "others": (SimpleNamespace(pipe=None),)}
    assert not rehearse(q, batches(), optimizer=optim.SGD(q.parameters(), lr=0.1), **copyable).share


def with_(b, **changes):
    return dataclasses.replace(b, **changes)


def test_data_that_cannot_be_learnt_from_are_refused_by_name():
    q, (b, *_), nan = mlp(), batches(), float("nan")
    bad = with_(b, rewards=torch.tensor([nan] + [0.0] * 7))
    late = iter([b] * 12 + [bad] * 12)
    named = [
        ([b, bad], "rewards of a rehearsal must be finite; got nan in 1 of 8 rows"),
        (bad, "rewards of a rehearsal"),
        (with_(b, observations=torch.full((8, 4), nan)), "observations of a rehearsal"),
        ([vars(b) | {"weights": torch.full((8,), nan)}], "weights of a rehearsal"),
        (lambda: next(late), "goes on with a list_iterator"),
    ]
    for data, said in named:
        refused(q, said, qd.InvalidValueError, data=data)
    many = [b] * 12 + [bad] * 12
    count = np.zeros(1, dtype=int)

    def later():
        count[0] += 1
        return many[count[0]]

    refused(q, "rewards of a rehearsal", qd.InvalidValueError, data=later, num_updates=13)
    for data, said in [(Prioritised(), "asks a replay by a function"), (iter([b]), "used up")]:
        refused(q, said, data=data)
    refused(q, "generators must be", data=lambda: b, generators=[1])


@pytest.mark.parametrize("function", [qd.preflight, qd.what_if])
def test_options_that_are_none_are_said_by_name(function):
    q = mlp()
    with pytest.raises(qd.InvalidTypeError, match="needs optimizer"):
        function(q, batches())
    with pytest.raises(qd.InvalidTypeError, match=r"must be qd.rehearse's: .* got lr"):
        function(q, batches(), optimizer=optim.SGD(q.parameters(), lr=0.1), lr=3)
