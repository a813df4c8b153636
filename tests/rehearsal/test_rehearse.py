"""A rehearsal with the run's own batches, in their order, is the run itself, to the bit."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import qdiverge as qd
from qdiverge.agents.networks.noisy import NoisyLinear
from qdiverge.diagnostics.quiet import largest_value
from qdiverge.errors import InvalidTypeError
from qdiverge.rehearsal import rehearse
from qdiverge.rehearsal.learner import Learner, Original
from qdiverge.transitions import Transitions
from qdiverge.update.td_update import rows_of

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.05),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True),
    "Adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-2, amsgrad=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.5, centered=True),
    "NAdam": lambda p: torch.optim.NAdam(p, lr=1e-3),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=1e-2),
}
LOSSES = {
    "huber": functional.smooth_l1_loss,
    "squared": functional.mse_loss,
    "half_squared": lambda q, y: functional.mse_loss(q, y) / 2,
}


def mlp(seed=0, out=3, width=16, inside=4):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(inside, width), nn.ReLU(), nn.Linear(width, out))


def batches(count=12, size=8, seed=1):
    g = torch.Generator().manual_seed(seed)
    return [
        Transitions(
            torch.randn(size, 4, generator=g),
            torch.randint(3, (size,), generator=g),
            torch.randn(size, generator=g),
            torch.randn(size, 4, generator=g),
            (torch.rand(size, generator=g) < 0.2).float(),
        )
        for _ in range(count)
    ]


def train(q, target, optimizer, loss, data, *, bootstrap, period, polyak, clipping, weights=None):
    """Write the update out as a user does; return max|Q| on the first rows after each."""
    sizes, rows = [], torch.cat([b.observations[:5] for b in data])
    for number, b in enumerate(data, start=1):
        with torch.no_grad():
            slow = q if target is None else target
            if bootstrap == "double_q":
                best = q(b.next_observations).argmax(1)
                value = slow(b.next_observations).gather(1, best[:, None]).squeeze(1)
            else:
                value = slow(b.next_observations).amax(1)
            y = b.rewards + 0.9 * value.masked_fill(b.terminated.bool(), 0.0)
        chosen = q(b.observations).gather(1, b.actions[:, None]).squeeze(1)
        optimizer.zero_grad()
        loss(chosen, y).backward()
        if clipping is not None:
            nn.utils.clip_grad_norm_(q.parameters(), clipping)
        optimizer.step()
        if target is not None and polyak is not None:
            for a, o in zip(target.parameters(), q.parameters(), strict=True):
                a.data.lerp_(o.data, polyak)
        elif target is not None and number % period == 0:
            target.load_state_dict(q.state_dict())
        with torch.no_grad():
            sizes.append(float(q(rows).abs().max()))
    return sizes


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize(
    ("bootstrap", "period", "polyak", "clipping", "loss"),
    [
        ("q", None, None, None, "huber"),
        ("target_q", 5, None, 0.3, "squared"),
        ("double_q", None, 0.1, None, "half_squared"),
    ],
)
def test_with_the_runs_own_batches_it_is_the_run(kind, bootstrap, period, polyak, clipping, loss):
    q, data = mlp(), batches()
    target = None if bootstrap == "q" else mlp(1)
    optimizer = OPTIMIZERS[kind](q.parameters())
    options = {"bootstrap": bootstrap, "period": period, "polyak": polyak, "clipping": clipping}
    if target is not None:  # in the middle of a run, where state has come to be
        train(q, target, optimizer, LOSSES[loss], data[:2], **options)
    before = copy.deepcopy((q.state_dict(), optimizer.state_dict())), torch.get_rng_state()
    ahead = rehearse(
        q, data, optimizer=optimizer, target=target, discount=0.9, loss=loss, polyak=polyak,
        target_period=period, bootstrap=bootstrap, clipping=clipping, num_updates=12,
        num_orders=2, reward_bound=1e9,
    )  # fmt: skip
    assert_same(before[0], (q.state_dict(), optimizer.state_dict()))
    assert torch.equal(before[1], torch.get_rng_state())
    expected = train(q, target, optimizer, LOSSES[loss], data, **options)
    assert ahead.q_abs_max[0].tolist() == expected
    assert ahead.q_abs_max[1].tolist() != expected  # another order
    assert not ahead.diverges


def assert_same(one, other):
    assert torch.equal(flat(one), flat(other))


def flat(state):
    if isinstance(state, torch.Tensor):
        return state.double().flatten()
    if isinstance(state, dict):
        state = list(state.values())
    if isinstance(state, list | tuple):
        return torch.cat([torch.zeros(0, dtype=torch.float64), *map(flat, state)])
    return torch.zeros(0, dtype=torch.float64)


def test_weights_and_discounts_of_rows_enter_the_update():
    data = batches(1)[0]
    g = torch.Generator().manual_seed(3)
    weights, discounts = torch.rand(8, generator=g), torch.rand(8, generator=g)
    q = mlp()
    optimizer = torch.optim.SGD(q.parameters(), lr=0.1)
    batch = {name: getattr(data, name) for name in data.__dataclass_fields__}
    batch |= {"weights": weights, "discounts": discounts}
    ahead = rehearse(q, [batch], optimizer=optimizer, num_updates=1, num_orders=1)
    with torch.no_grad():
        value = q(data.next_observations).amax(1).masked_fill(data.terminated.bool(), 0.0)
    y = data.rewards + discounts * value
    chosen = q(data.observations).gather(1, data.actions[:, None]).squeeze(1)
    (weights * functional.smooth_l1_loss(chosen, y, reduction="none")).mean().backward()
    optimizer.step()
    with torch.no_grad():
        assert ahead.q_abs_max[0, 0] == pytest.approx(float(q(data.observations).abs().max()))
    assert ahead.rule.has_weights


def replace_actions(b, actions):
    return Transitions(b.observations, actions, b.rewards, b.next_observations, b.terminated)


class Critic(nn.Module):
    def __init__(self, seed):
        super().__init__()
        self.body = mlp(seed, out=1, inside=6)

    def forward(self, s, a):
        return self.body(torch.cat([s, a], 1)).squeeze(1)


class Actor(nn.Module):
    def __init__(self, seed):
        super().__init__()
        self.body = mlp(seed, out=2)

    def forward(self, s):
        return torch.tanh(self.body(s))


def test_twin_critics_with_a_learning_actor_are_the_run():
    """TD3 without its smoothing noise: actor and targets every second update."""
    critics, targets = [Critic(0), Critic(1)], [Critic(0), Critic(1)]
    actor, slow = Actor(2), Actor(2)
    critic_optimizer = torch.optim.Adam([p for c in critics for p in c.parameters()], lr=3e-3)
    actor_optimizer = torch.optim.Adam(actor.parameters(), lr=3e-3)
    data = []
    for b in batches(10):
        g = torch.Generator().manual_seed(len(data))
        actions = torch.rand(8, 2, generator=g) * 2 - 1
        data.append(
            Transitions(b.observations, actions, b.rewards, b.next_observations, b.terminated)
        )
    ahead = rehearse(
        critics, data, optimizer=critic_optimizer, target=targets, discount=0.9, loss="squared",
        polyak=0.05, policy=actor, policy_optimizer=actor_optimizer, policy_target=slow,
        policy_period=2, num_updates=10, num_orders=1, reward_bound=1e9,
    )  # fmt: skip
    sizes = []
    s = torch.cat([b.observations[:6] for b in data])
    a = torch.cat([b.actions[:6] for b in data])
    for number, b in enumerate(data, start=1):
        with torch.no_grad():
            following = slow(b.next_observations)
            value = torch.minimum(*(t(b.next_observations, following) for t in targets))
            y = b.rewards + 0.9 * value.masked_fill(b.terminated.bool(), 0.0)
        critic_optimizer.zero_grad()
        sum(functional.mse_loss(c(b.observations, b.actions), y) for c in critics).backward()
        critic_optimizer.step()
        if number % 2 == 0:
            actor_optimizer.zero_grad()
            (-critics[0](b.observations, actor(b.observations)).mean()).backward()
            actor_optimizer.step()
            for t, c in zip([*targets, slow], [*critics, actor], strict=True):
                for own, other in zip(t.parameters(), c.parameters(), strict=True):
                    own.data.lerp_(other.data, 0.05)
        with torch.no_grad():
            sizes.append(max(float(c(s, a).abs().max()) for c in critics))
    assert ahead.q_abs_max[0].tolist() == pytest.approx(sizes, rel=1e-6)


def test_a_held_policy_is_said():
    data = batches(1)[0]
    batch = replace_actions(data, torch.rand(8, 2))
    critic = Critic(0)
    ahead = rehearse(
        critic, batch, optimizer=torch.optim.Adam(critic.parameters()), policy=Actor(1)
    )
    assert "held still" in str(ahead)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"target": mlp(1)}, "needs target_period or polyak"),
        ({"optimizer": "Adam"}, "torch.optim.Optimizer"),
        ({"num_updates": 0}, "num_updates"),
        ({"speed": 0.5}, "speed"),
        ({"data": []}, "empty list"),
        ({"discount": 2.0}, "discount"),
        ({"loss": "quantile"}, "loss"),
    ],
)
def test_what_it_cannot_copy_faithfully_is_refused(change, said):
    q = mlp()
    given = {"data": batches(2), "optimizer": torch.optim.SGD(q.parameters(), lr=0.1)} | change
    with pytest.raises(qd.QDivergeError, match=said):
        rehearse(q, given.pop("data"), **given)


def test_a_critic_without_a_policy_is_refused():
    data, critic = batches(1)[0], Critic(0)
    batch = replace_actions(data, torch.rand(8, 2))
    with pytest.raises(qd.InvalidValueError, match="next action"):
        rehearse(critic, batch, optimizer=torch.optim.Adam(critic.parameters()))


def test_a_function_is_asked_for_batches_and_draws_nothing_of_the_run():
    q, noted = mlp(), []

    class Asked:
        times = 0

    def draw():
        index = torch.randint(8, (4,))
        noted.append(len(index))
        Asked.times += 1
        return batches(1)[0].select(index)

    before = torch.get_rng_state()
    ahead = rehearse(q, draw, optimizer=torch.optim.SGD(q.parameters(), lr=0.1), num_updates=5)
    assert torch.equal(before, torch.get_rng_state())
    assert (Asked.times > 15, noted) == (True, [])
    assert ahead.q_abs_max.shape == (3, 5)


def test_dropout_and_batch_norm_train_in_the_copy_alone():
    torch.manual_seed(0)
    q = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 3))
    optimizer = torch.optim.Adam(q.parameters(), lr=0.01)
    before = copy.deepcopy(q.state_dict()), torch.get_rng_state()
    rehearse(q, batches(6), optimizer=optimizer, num_updates=6)
    assert_same(before[0], q.state_dict())
    assert torch.equal(before[1], torch.get_rng_state())
    assert not optimizer.state
    learner = Learner(Original((q,), (), optimizer, qd.UpdateRule()))
    means = learner.copies.networks[0][1].running_mean.clone()
    learner.learn(rows_of(batches(1)[0]))
    assert not torch.equal(means, learner.copies.networks[0][1].running_mean)


def two_states():
    """w → 2w (Tsitsiklis and Van Roy): an update multiplies w by 1 + α(2γ − 1)."""
    q = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        q.weight.fill_(1.0)
    s, a = torch.ones(4, 1), torch.zeros(4, dtype=torch.int64)
    return q, Transitions(s, a, torch.zeros(4), 2 * s, torch.zeros(4))


@pytest.mark.parametrize("speed", [1, 4, 16])
def test_a_fast_copy_foresees_the_same_update(speed):
    """w(t) = e^{α(2γ−1)t} of the flow: 1.0008^t = 5/4 · 10 at 3158."""
    q, data = two_states()
    sgd = torch.optim.SGD(q.parameters(), lr=1e-3)
    ahead = rehearse(
        q, data, optimizer=sgd, discount=0.9, loss="half_squared", reward_bound=1.0,
        num_updates=4000, num_orders=1, speed=speed,
    )  # fmt: skip
    assert ahead.update == pytest.approx(3158, rel=0.02)
    assert ahead.q_abs_max.shape == (1, 4000 // speed)


def test_a_long_enough_period_keeps_its_fractions_in_a_fast_copy():
    q, data = two_states()
    target = copy.deepcopy(q)
    sgd = torch.optim.SGD(q.parameters(), lr=0.02)
    options = {
        "optimizer": sgd, "target": target, "discount": 0.9, "loss": "half_squared",
        "reward_bound": 1.0, "num_updates": 600, "num_orders": 1, "target_period": 10,
    }  # fmt: skip
    slow, fast = rehearse(q, data, **options), rehearse(q, data, **options, speed=4)
    assert slow.update == pytest.approx(fast.update, rel=0.1)
    assert slow.update > 60

    def passed(since):  # by hand: (α = .02) w ← w − α (w − 2γ w⁻)
        w = copied = 1.0
        for update in range(1, 601):
            w += 0.02 * (1.8 * copied - w)
            if (update + since) % 10 == 0:
                copied = w
            if w > 12.5:
                return update
        return None

    assert slow.update == passed(0)
    for since in (3, 9):
        assert rehearse(q, data, **options, since_copy=since).update == passed(since)


def test_the_exponent_is_that_of_the_update():
    q, data = two_states()
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    ahead = rehearse(q, data, optimizer=sgd, discount=0.9, loss="half_squared")
    sgd.param_groups[0]["lr"] = 0.5  # the run has gone on
    assert ahead.exponent.growth == pytest.approx(1.08, abs=1e-5)


def test_values_beyond_the_bound_already_are_said():
    q, data = two_states()
    with torch.no_grad():
        q.weight.fill_(30.0)
    sgd = torch.optim.SGD(q.parameters(), lr=1e-6)
    ahead = rehearse(q, data, optimizer=sgd, discount=0.9, reward_bound=1.0)
    assert not ahead.diverges
    assert ahead.limit == pytest.approx(52.5)  # 5/4 · 10 + 2 (30 − 10)
    assert "beyond the bound" in str(ahead)


def update(q, optimizer, b):
    """One update without a target network, written out."""
    with torch.no_grad():
        y = b.rewards + 0.9 * (1 - b.terminated) * q(b.next_observations).amax(1)
    optimizer.zero_grad()
    predicted = q(b.observations).gather(1, b.actions[:, None]).squeeze(1)
    LOSSES["half_squared"](predicted, y).backward()
    optimizer.step()


def test_without_a_seed_the_first_copy_draws_as_the_run_will():
    pool, (probe, *_) = batches(30), batches(1, seed=2)
    q = mlp()
    adam = torch.optim.Adam(q.parameters(), lr=1e-2)

    def draw():
        return pool[int(torch.randint(len(pool), ()))]

    torch.manual_seed(7)
    ahead = rehearse(
        q, draw, optimizer=adam, discount=0.9, loss="half_squared", reward_bound=1e6, probe=probe,
        num_updates=12, num_orders=2, seed=None,
    )  # fmt: skip
    sizes = []
    for _ in range(12):
        b = draw()
        update(q, adam, b)
        sizes.append(float(q(probe.observations).detach().abs().max()))
    assert ahead.q_abs_max[0].tolist() == sizes
    assert ahead.q_abs_max[1].tolist() != sizes


class QuantileHead(torch.nn.Linear):
    pass


class Reshaped(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 12)

    def forward(self, s):
        return self.layer(s).unflatten(1, (3, 4))


class NoisyButStill(torch.nn.Linear):
    pass


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (torch.nn.Sequential(QuantileHead(4, 3)), "a layer called QuantileHead"),
        (Reshaped(), r"values of shape \[1, 3, 4\]"),
        (NoisyButStill(4, 3), "layers that do neither"),
    ],
)
def test_what_learns_by_a_loss_that_no_rule_says_needs_an_update(network, said):
    sgd = torch.optim.SGD(network.parameters(), lr=0.1)
    with pytest.raises(InvalidTypeError, match=said):
        rehearse(network, batches(3), optimizer=sgd, discount=0.9)
    if not isinstance(network, Reshaped):  # whose values no TD error is of
        own = {"update": lambda copies, rows: None, "num_updates": 2}
        assert not rehearse(network, batches(3), optimizer=sgd, discount=0.9, **own).diverges


@pytest.mark.parametrize("method", ["reset_noise", "sample"])
def test_copies_of_noisy_networks_draw_their_own_noise(method):
    own = {method: NoisyLinear.reset_noise}
    Noisy = type("Noisy", (NoisyLinear,), {"reset_noise": None} | own)
    q = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), Noisy(8, 3))
    adam = torch.optim.Adam(q.parameters(), lr=1e-2)
    before = [t.clone() for t in q.state_dict().values()] + [torch.get_rng_state()]
    given = {"optimizer": adam, "discount": 0.9, "reward_bound": 1e3, "num_updates": 5}
    same = [batches(1)[0]] * 5  # in every order: what differs is the noise
    ahead = rehearse(q, same, **given)
    assert len({tuple(row) for row in ahead.q_abs_max.tolist()}) == 3
    after = [*q.state_dict().values(), torch.get_rng_state()]
    assert all(map(torch.equal, before, after))


def test_a_noisy_copy_in_the_runs_own_order_is_the_run():
    q = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), NoisyLinear(8, 3))
    adam, pool, sizes = torch.optim.Adam(q.parameters(), lr=1e-2), batches(20), []
    probe = pool[0]

    def draw():
        return pool[int(torch.randint(len(pool), ()))]

    torch.manual_seed(3)
    ahead = rehearse(
        q, draw, optimizer=adam, discount=0.9, loss="half_squared", reward_bound=1e3, probe=probe,
        num_updates=10, num_orders=1, seed=None,
    )  # fmt: skip
    for _ in range(10):
        b = draw()
        q[2].reset_noise()
        update(q, adam, b)
        sizes.append(largest_value([q], probe.observations, None, is_quiet=True))
    assert ahead.q_abs_max[0].tolist() == sizes
