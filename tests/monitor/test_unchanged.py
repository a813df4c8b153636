"""A watched run is the run that nobody watched, to the bit: every way of stepping, every critic."""

import copy
import pickle
import sys
import warnings

import pytest
import torch
from torch import nn

from qdiverge.diagnostics import COSTS, REGISTRY, Transitions
from qdiverge.monitor import attach
from qdiverge.runs import load_run
from tests.monitor.test_monitor import make_network, random_batch

NUM_UPDATES = 15
EVERYTHING = {"every": 3, "max_overhead": None, "discount": 0.9, "probe_refresh_period": 7}


class Way:
    """A way to make updates: an optimiser, and what surrounds its step."""

    def optimizer(self, network):
        return torch.optim.Adam(network.parameters(), lr=0.01)

    def prepare(self, network):
        return network

    def start(self, optimizer):
        self.make_step = optimizer.step

    def update(self, network, optimizer, loss):
        optimizer.zero_grad()
        loss().backward()
        self.make_step()


class Clipped(Way):
    def update(self, network, optimizer, loss):
        optimizer.zero_grad()
        loss().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 0.01)
        optimizer.step()


class Scheduled(Way):
    def start(self, optimizer):
        self.schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-3, 1.0, 10)

    def update(self, network, optimizer, loss):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
        self.schedule.step()


class Grouped(Way):
    def optimizer(self, network):
        first, *others = network.parameters()
        groups = [{"params": [first], "lr": 1e-3}, {"params": others}]
        return torch.optim.RMSprop(groups, lr=0.01, centered=True)


class MixedPrecision(Way):
    def start(self, optimizer):
        self.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)

    def update(self, network, optimizer, loss):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            value = loss()
        self.scaler.scale(value).backward()
        self.scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        with torch.autocast("cpu", torch.bfloat16):  # some loops step inside
            self.scaler.step(optimizer)
        self.scaler.update()


class Compiled(Way):
    def prepare(self, network):
        return torch.compile(network, backend="aot_eager")


class CompiledInPlace(Way):
    def prepare(self, network):
        network.compile(backend="aot_eager")
        return network


class CompiledStep(Way):
    def start(self, optimizer):
        self.make_step = torch.compile(optimizer.step, backend="eager")


class Inductor(Way):
    def prepare(self, network):
        return torch.compile(network)

    def start(self, optimizer):
        self.make_step = torch.compile(optimizer.step)


def optimizer_of(kind, lr=0.01, **options):
    class OptimizerOf(Way):
        def optimizer(self, network):
            return kind(network.parameters(), lr=lr, **options)

    return OptimizerOf


WAYS = {
    "clipped": Clipped,
    "scheduled": Scheduled,
    "grouped": Grouped,
    "mixed precision": MixedPrecision,
    "compiled": Compiled,
    "compiled in place": CompiledInPlace,
    "compiled step": CompiledStep,
    "fused": optimizer_of(torch.optim.Adam, fused=True),
    "foreach": optimizer_of(torch.optim.AdamW, foreach=True),
    "amsgrad": optimizer_of(torch.optim.Adam, amsgrad=True),
    "nadam": optimizer_of(torch.optim.NAdam),  # its step is not modelled
    "tensor rate": optimizer_of(torch.optim.Adam, lr=torch.tensor(0.01)),
}
SLOW = {"inductor": Inductor}


def run(way, out=None, cost="full"):
    torch.manual_seed(1)
    torch._dynamo.reset()
    network, target = make_network(), make_network()
    trained = way.prepare(network)
    optimizer = way.optimizer(network)
    way.start(optimizer)
    monitor = None
    if out is not None:
        monitor = attach(
            trained, target=target, optimizer=optimizer, out=out, cost=cost, **EVERYTHING
        )
    for count in range(NUM_UPDATES):
        data = random_batch()
        if monitor is not None:
            data = monitor.batch(data)

        def loss(data=data):
            with torch.no_grad():
                goal = data.rewards + 0.9 * ~data.terminated * target(data.next_observations).amax(
                    1
                )
            q = trained(data.observations).gather(1, data.actions[:, None]).squeeze(1)
            return nn.functional.smooth_l1_loss(q.float(), goal.float())

        way.update(network, optimizer, loss)
        if count % 5 == 4:
            for slow, fast in zip(target.parameters(), network.parameters(), strict=True):
                slow.data.copy_(fast.data)
    if monitor is not None:
        monitor.close()
        assert monitor.num_updates == NUM_UPDATES
    return [*network.state_dict().values(), torch.get_rng_state()]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when it compiles
@pytest.mark.parametrize(
    "name", [*WAYS, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_every_way_of_stepping_is_left_alone(tmp_path, name, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))  # to which torch adds what it compiles
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # nothing is switched off either
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*|.*Profiler.*")
        way = (WAYS | SLOW)[name]
        plain, watched = run(way()), run(way(), tmp_path / "run")
    for got, expected in zip(watched, plain, strict=True):
        assert torch.equal(got, expected)
    log = load_run(tmp_path / "run")
    if name == "nadam":  # no number of another optimiser's step
        assert log.info["diagnostics_off"]["Stability"] == "NAdam is not modelled"
        assert not {"diverge/spectral_radius", "diverge/linearisation_error"} & log.series.keys()
        assert len(log.series["diverge/self_exciting"].steps) >= 4
    else:
        assert len(log.series["diverge/spectral_radius"].steps) >= 4
    assert [sync.update for sync in log.syncs] == [6, 11]


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))

    def forward(self, observations, actions):
        return self.body(torch.cat([observations, actions], 1))


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(4, 2)

    def forward(self, observations):
        return torch.tanh(self.body(observations))

    def sample(self, observations):
        mean = self(observations)
        actions = mean + 0.1 * torch.randn_like(mean)
        return actions, -(actions - mean).square().sum(1)


def continuous_batch(size=16):
    return Transitions(
        torch.randn(size, 4), torch.rand(size, 2), torch.randn(size).clamp(-1, 1),
        torch.randn(size, 4), torch.rand(size) < 0.1,
    )  # fmt: skip


def run_critics(algorithm, cost=None, out=None):
    """DDPG, TD3 or SAC in a few lines, the actor's update left out but for DDPG's targets."""
    torch.manual_seed(1)
    count = 1 if algorithm == "ddpg" else 2
    critics = nn.ModuleList(Critic() for _ in range(count))
    targets, actor = copy.deepcopy(critics), Actor()
    optimizer = torch.optim.Adam(critics.parameters(), lr=3e-3)
    entropy = 0.2 if algorithm == "sac" else 0.0
    policy = actor.sample if algorithm == "sac" else actor
    monitor = None
    if out is not None:
        monitor = attach(
            list(critics) if count == 2 else critics[0],
            target=list(targets) if count == 2 else targets[0],
            optimizer=optimizer, out=out, cost=cost, policy=policy, loss="squared",
            entropy_coefficient=lambda: entropy, **EVERYTHING,
        )  # fmt: skip
    for _ in range(NUM_UPDATES):
        data = continuous_batch()
        if monitor is not None:
            assert monitor.batch(data) is data
        with torch.no_grad():
            actions, bonus = actor(data.next_observations), torch.zeros(16)
            if algorithm == "td3":
                actions = (actions + 0.2 * torch.randn_like(actions)).clamp(-1, 1)
            if algorithm == "sac":
                actions, log_probs = actor.sample(data.next_observations)
                bonus = -entropy * log_probs
            values = torch.stack([t(data.next_observations, actions).squeeze(1) for t in targets])
            goal = data.rewards + 0.9 * ~data.terminated * (values.amin(0) + bonus)
        loss = sum(
            nn.functional.mse_loss(q(data.observations, data.actions).squeeze(1), goal)
            for q in critics
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(targets.parameters(), critics.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
    if monitor is not None:
        monitor.close()
    states = (critics.state_dict(), targets.state_dict())
    return [*(t for state in states for t in state.values()), torch.get_rng_state()]


@pytest.mark.parametrize("algorithm", ["ddpg", "td3", "sac"])
@pytest.mark.parametrize("cost", ["light", "standard", "full"])
def test_critics_are_watched_and_left_alone(tmp_path, algorithm, cost):
    plain, watched = run_critics(algorithm), run_critics(algorithm, cost, tmp_path / "run")
    for got, expected in zip(watched, plain, strict=True):
        assert torch.equal(got, expected)
    log = load_run(tmp_path / "run")
    tiers = COSTS[: COSTS.index(cost) + 1]
    off = {k.__name__: k.not_for_critics for k in REGISTRY if k.not_for_critics and k.cost in tiers}
    assert log.info["diagnostics_off"] == off
    assert "GreedyChurn" in off
    assert "every update" in log.info["target_follows"]
    last = {"light": "td_error_abs_mean", "standard": "coadaptation", "full": "spectral_radius"}
    assert len(log.series[f"diverge/{last[cost]}"].steps) >= 4


def test_what_is_watched_can_still_be_pickled_saved_and_copied(tmp_path):
    network = make_network()
    optimizer = torch.optim.Adam(network.parameters())
    with attach(network, optimizer=optimizer, out=tmp_path / "run"):
        for thing in (network, optimizer):
            pickle.loads(pickle.dumps(thing))
            copy.deepcopy(thing)
        torch.save(network.state_dict(), tmp_path / "weights.pt")
        twin = copy.deepcopy(network)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in twin.modules())
