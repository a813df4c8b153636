"""From what size on values are called divergent: on small runs whose truth is known."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics.allowed_actions import largest_allowed
from qdiverge.monitor.probe_batch import ProbeBatch
from qdiverge.monitor.reward_scale import RewardScale
from qdiverge.report.verdict import verdict_on
from qdiverge.runs import load_run

LIGHT = {"max_overhead": None, "cost": "light", "foresight": False, "audit_period": None}


def table(*values):
    """Return a network of one action whose inputs are unit vectors: a table of values."""
    network = nn.Linear(len(values), 1, bias=False)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([values]))
    return network


def staying(rewards, num_states=2):
    """Return a batch in which each state leads to itself, [N] = one row a state."""
    s = torch.eye(num_states)
    rewards = torch.as_tensor(rewards).expand(num_states).clone()
    return qd.Transitions(s, torch.zeros(num_states).long(), rewards, s, torch.zeros(num_states))


def train(q, batches, out, *, discount=0.9, learning_rate=0.1, **options):
    """Regress Q on r + γ max Q(s'), one update a batch; return the monitor."""
    sgd = torch.optim.SGD(q.parameters(), lr=learning_rate)
    options = LIGHT | {"loss": "half_squared", "every": 5} | options
    with qd.attach(q, optimizer=sgd, discount=discount, out=out, **options) as monitor:
        for batch in batches:
            monitor.batch(batch)
            s2, d = batch.next_observations, batch.terminated
            with torch.no_grad():
                y = batch.rewards + discount * (1 - d) * q(s2).amax(1)
            sgd.zero_grad()
            (0.5 * (q(batch.observations).amax(1) - y).square()).mean().backward()
            sgd.step()
    return monitor


def test_a_run_whose_best_values_are_the_bound_is_healthy(tmp_path):
    """Every step pays 1: Q* = 10 = r_max/(1−γ), and 10.2 with |δ| up to .03 is within .3 of it."""
    monitor = train(table(10.2, 9.7), 60 * [staying(1.0)], tmp_path / "run", on_alarm="stop")
    assert monitor.alarms == []
    assert monitor.verdict.startswith("healthy")
    verdict = verdict_on(load_run(tmp_path / "run"))
    assert (verdict.health, verdict.bound_step) == ("healthy", None)


def test_the_bound_is_of_every_reward_that_was_shown(tmp_path):
    """A single 100 among rewards of −.01, in a batch that no measurement reads: B = 1,000."""
    rewards = [staying(-0.01)] * 333 + [staying([100.0, -0.01])] + [staying(-0.01)] * 66
    monitor = train(table(0.0, 0.0), rewards, tmp_path / "run", every=25)
    assert monitor.latest["diverge/soft_divergence_bound"] == pytest.approx(1_000.0)
    assert monitor.alarms == []
    again = RewardScale()
    for batch in rewards:
        again.note(batch.rewards)
    assert again.largest == 100.0


def test_a_reward_that_is_no_number_is_left_out_of_the_scale():
    scale = RewardScale()
    scale.note(torch.tensor([3, -4]))
    for _ in range(200):
        scale.note(torch.tensor([[math.nan], [math.inf]]))
        scale.note(torch.tensor([[-5.0], [1.0]]))
    assert scale.largest == 5.0


@pytest.mark.parametrize(
    "unfit", [lambda r: r.to_sparse(), lambda r: r.to("meta"), lambda r: r.to(torch.complex64)]
)
def test_rewards_that_nothing_can_read_are_refused_and_spoil_no_others(unfit, tmp_path):
    """A batch of them is told of; the next one is measured as if they had not come."""
    sound = staying([3.0, -2.0])
    rewards = unfit(sound.rewards)
    with pytest.raises(qd.InvalidTypeError, match="rewards must be a"):
        RewardScale().note(rewards)
    q = table(1.0, 2.0)
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    with qd.attach(
        q, optimizer=sgd, discount=0.9, out=tmp_path / "run", every=1, **LIGHT
    ) as monitor:
        with pytest.warns(UserWarning, match="reading the batch failed"):
            monitor.batch(dict(sound.plain().__dict__, rewards=rewards))
        sgd.step()
        monitor.batch(sound)
        sgd.step()
    assert monitor.latest["diverge/soft_divergence_bound"] == pytest.approx(30.0)


def test_the_scale_is_of_whole_numbers_and_switches_too():
    scale = RewardScale()
    scale.note(torch.tensor([True, False]))
    assert scale.largest == 1.0
    scale.note(torch.tensor([-128, 3], dtype=torch.int8))
    assert scale.largest == 128.0


def test_where_nothing_discounts_growth_is_held_against_what_updates_can_carry(tmp_path):
    """w → 2w at γ = 1 grows by 1.05 an update; a chain that ends pays 5 in all."""
    s, a = torch.eye(1), torch.zeros(1).long()
    grows = qd.Transitions(s, a, torch.tensor([0.1]), 2 * s, torch.zeros(1))
    grown = train(table(0.5), 200 * [grows], tmp_path / "grown", discount=1.0, learning_rate=0.05)
    told = {alarm.rule: alarm for alarm in grown.alarms}
    assert told["undiscounted_growth"].update <= 80  # 1.25 · .1 k + 2 · .5 < 2.5 · 1.05^k − 2
    assert "inf" not in grown.verdict
    assert verdict_on(load_run(tmp_path / "grown")).health == "diverged"
    states = torch.eye(5)
    chain = qd.Transitions(
        states, torch.zeros(5).long(), torch.ones(5), states.roll(-1, 0),
        torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]),
    )  # fmt: skip
    q = table(*torch.zeros(5).tolist())
    sound = train(q, 400 * [chain], tmp_path / "sound", discount=1.0, learning_rate=2.0)
    assert q.weight.max().item() == pytest.approx(5.0, abs=0.1)
    assert sound.alarms == []
    assert "inf" not in sound.verdict
    verdict = verdict_on(load_run(tmp_path / "sound"))
    assert verdict.health == "healthy"
    assert "without a discount" not in verdict.sentences[0]


def test_first_values_beyond_the_bound_may_fall_in_peace(tmp_path):
    """Rewards of .001 at γ = .9: B = .01, and the values begin at 1."""
    s = torch.eye(2)
    falls = qd.Transitions(s, torch.zeros(2).long(), torch.full((2,), 1e-3), s, torch.zeros(2))
    sound = train(table(1.0, -0.8), 100 * [falls], tmp_path / "sound", on_alarm="stop")
    assert sound.alarms == []
    rises = replace(falls, next_observations=2 * s)
    told = train(table(1.0, -0.8), 100 * [rises], tmp_path / "rises").alarms
    assert "soft_divergence" in {alarm.rule for alarm in told}


class Masked(nn.Module):
    """Three actions, of which the observation says the allowed ones, as in board games."""

    def __init__(self, put):
        super().__init__()
        self.values, self.put = nn.Linear(2, 3), put

    def forward(self, observations):
        q = self.values(observations[:, :2])
        return q.masked_fill(observations[:, 2:] == 0, self.put)


@pytest.mark.parametrize("put", [-1e8, -math.inf, torch.finfo(torch.float32).min])
def test_actions_that_a_mask_takes_out_are_not_judged(tmp_path, put):
    torch.manual_seed(0)
    network = Masked(put)
    sgd = torch.optim.SGD(network.parameters(), lr=0.05)
    s = torch.cat([torch.randn(32, 2), torch.tensor([[1.0, 1.0, 0.0]]).repeat(32, 1)], 1)
    a, r = torch.arange(32) % 2, torch.rand(32)
    options = LIGHT | {"loss": "half_squared", "every": 2}
    with qd.attach(network, optimizer=sgd, discount=0.9, out=tmp_path / "run", **options) as watch:
        for _ in range(6):
            watch.batch(qd.Transitions(s, a, r, s.roll(1, 0), 0 * r))
            with torch.no_grad():
                y = r + 0.9 * network(s.roll(1, 0)).amax(1)
            sgd.zero_grad()
            q = network(s).gather(1, a[:, None])[:, 0]
            (0.5 * (q - y).square()).mean().backward()
            sgd.step()
    assert watch.alarms == []
    largest = network(s)[:, :2].abs().max().item()
    assert watch.latest["diverge/q_abs_max"] == pytest.approx(largest)
    assert abs(watch.latest["diverge/q_min"]) <= largest + 1e-6
    assert math.isfinite(watch.latest["diverge/value_churn"])


def test_values_that_run_away_without_a_mask_are_judged():
    """One action falls for ever, and batches do take it."""
    q = torch.tensor([[1.0, -1e8], [0.5, -1e8]])
    assert largest_allowed(q, torch.tensor([0, 1])) == pytest.approx(1e8)
    assert largest_allowed(torch.tensor([[1.0, -2e8], [0.5, -1e8]]), torch.tensor([0, 0])) > 1e7
    assert math.isnan(largest_allowed(torch.tensor([[math.nan, -math.inf]]), torch.tensor([0])))


def two_rooms():
    """Return a batch of a first room, where nothing goes on; and of a second, which is w → 2w."""
    s, a, r = torch.eye(2)[:1].repeat(64, 1), torch.zeros(64).long(), torch.full((64,), 0.1)
    first = qd.Transitions(s, a, r, s, torch.ones(64))
    second = replace(first, observations=s.flip(1), next_observations=2 * s.flip(1),
                     terminated=torch.zeros(64))  # fmt: skip
    return first, second


def test_what_blows_up_beside_the_probe_is_seen_in_the_batches(tmp_path):
    first, second = two_rooms()
    monitor = train(table(0.1, 0.1), [first] * 2 + [second] * 90, tmp_path / "run")
    (alarm,) = [each for each in monitor.alarms if each.rule == "soft_divergence"]
    assert "in the newest training batch" in alarm.message
    assert monitor.latest["diverge/q_abs_max"] < 1.0
    assert verdict_on(load_run(tmp_path / "run")).health == "diverged"


def test_values_that_blow_up_switch_nothing_off(tmp_path):
    """The step on the probe, 1e10 times a TD error of 1e30, is beyond float32."""
    q, batch = table(1e30, 1e30), staying(0.1)
    sgd = torch.optim.SGD(q.parameters(), lr=1e10)
    options = LIGHT | {"cost": "standard", "loss": "half_squared", "every": 1}
    with qd.attach(q, optimizer=sgd, discount=0.9, out=tmp_path / "run", **options) as monitor:
        monitor.batch(batch)
        q.weight.grad = torch.zeros_like(q.weight)
        sgd.step()
    assert monitor.latest["diverge/linearisation_error"] == math.inf
    assert "monitor_failures" not in load_run(tmp_path / "run").info


def test_what_blows_up_is_told_at_once_though_no_time_is_left_to_measure(tmp_path):
    """It grows by 1.08 an update, from within its bound, 1, to 1.25, which no TD error excuses."""
    q, told = table(0.1, 0.1), []
    first, second = two_rooms()

    def tell(alarm):
        told.append((alarm.rule, q.weight.abs().max().item()))

    batches = [first] * 2 + [second] * 200
    train(q, batches, tmp_path / "run", max_overhead=1e-9, on_alarm=tell)
    ((rule, size),) = told
    assert rule == "soft_divergence"
    assert 1.0 < size < 1.25 * 1.09


def test_the_probe_is_renewed_as_the_run_doubles_its_length():
    probe = ProbeBatch(size=2, refresh_period=10_000)
    renewed = []
    for update in range(3_000):
        if probe.wants(update):
            probe.show(staying(float(update)), update)
            renewed.append(update)
    assert renewed == [0, 256, 512, 1024, 2048]


def test_ends_without_a_successor_are_measured_like_others(tmp_path):
    """NaN stands there, and the loop masks it."""
    s = torch.eye(2)
    s2 = torch.tensor([[math.nan, math.nan], [1.0, 0.0]])
    ends = qd.Transitions(s, torch.zeros(2).long(), torch.ones(2), s2, torch.tensor([1.0, 0.0]))
    q = table(0.0, 0.0)
    sgd = torch.optim.SGD(q.parameters(), lr=0.1)
    options = LIGHT | {"cost": "full", "every": 2, "loss": "half_squared"}
    with qd.attach(q, optimizer=sgd, discount=0.9, out=tmp_path / "run", **options) as monitor:
        for _ in range(10):
            monitor.batch(ends)
            with torch.no_grad():
                y = torch.stack([torch.tensor(1.0), 1 + 0.9 * q(s)[0, 0]])
            sgd.zero_grad()
            (0.5 * (q(s)[:, 0] - y).square()).mean().backward()
            sgd.step()
    run = load_run(tmp_path / "run")
    assert "monitor_failures" not in run.info
    for name in ("td_error_abs_mean", "spectral_radius", "linearisation_error", "batch_q_abs_max"):
        assert math.isfinite(monitor.latest[f"diverge/{name}"]), name


def test_the_bound_of_a_soft_critic_has_the_entropy_in_it():
    """A policy uniform on [−1, 1]², η = .2: Q = (r + γ η 2 ln 2)/(1−γ), exactly."""
    η, H, γ, r = 0.2, 2 * math.log(2), 0.99, 0.05
    truth = (r + γ * η * H) / (1 - γ)

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3, 1)
            nn.init.zeros_(self.head.weight)
            nn.init.constant_(self.head.bias, truth)

        def forward(self, s, a):
            return self.head(torch.cat([s, a], 1))

    s, a = torch.rand(8, 1), torch.rand(8, 2)
    batch = qd.Transitions(s, a, torch.full((8,), r), s.flip(0), torch.zeros(8))
    diagnosis = qd.diagnose(
        Critic(), batch, γ, 1e-3, entropy_coefficient=η,
        policy=lambda s: (torch.rand(len(s), 2), torch.full((len(s),), -H)),
    )  # fmt: skip
    assert diagnosis.bound == pytest.approx(truth, rel=1e-6)
    assert not diagnosis.is_beyond
    assert not any("beyond what any policy can earn" in each for each in diagnosis.advice)


def test_sums_over_several_steps_bound_what_their_steps_could_pay(tmp_path):
    """R = 1 + γ + γ² of three steps: each pays 1, so that B = 10 and not 27.1."""
    batch = vars(staying([1.0, 2.71])) | {"discounts": torch.tensor([0.9, 0.729])}
    with qd.attach(
        q := table(0.0, 0.0),
        optimizer=(sgd := torch.optim.SGD(q.parameters(), lr=0.1)),
        discount=0.9,
        out=tmp_path / "sums",
        **LIGHT | {"every": 1},
    ) as monitor:
        for _ in range(3):
            monitor.batch(batch)
            q(batch["observations"]).mean().backward()
            sgd.step()
    assert monitor.latest["diverge/soft_divergence_bound"] == pytest.approx(10.0)
    assert monitor.latest["diverge/earned_scale"] == pytest.approx(10.0)  # it is the bound


@pytest.mark.parametrize("length", [None, 2.0])
def test_without_a_discount_episodes_bound_what_is_earned(tmp_path, length):
    """Each episode has two steps of .1, and values begin at 0: beyond 4 · 2 · .1 · 5/4 = 1 they
    feed themselves, long before as many updates have carried as much."""
    q = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        q.weight.fill_(1e-6)
    sgd = torch.optim.SGD(q.parameters(), lr=0.05)
    s = torch.ones(8, 1)
    batch = qd.Transitions(s, torch.zeros(8).long(), torch.full((8,), 0.1), 2 * s, torch.zeros(8))
    options = LIGHT | {"loss": "half_squared", "every": 1}
    with qd.attach(q, optimizer=sgd, discount=1.0, out=tmp_path / "run", **options) as monitor:
        for _ in range(56):  # |Q| = .1 (1.05^k − 1)
            if length is not None:
                monitor.log({"charts/episodic_length": length})
            monitor.batch(batch)
            with torch.no_grad():
                y = 0.1 + q(batch.next_observations)[:, 0]
            sgd.zero_grad()
            (0.5 * (q(s)[:, 0] - y).square()).mean().backward()
            sgd.step()
    assert 1.0 < monitor.latest["diverge/q_abs_max"] < 2.0
    fired = [alarm for alarm in monitor.alarms if alarm.rule == "undiscounted_growth"]
    assert len(fired) == (length is not None)
    assert all("episodes 4 times as long" in alarm.message for alarm in fired)


def test_where_only_ends_pay_the_verdict_says_how_little_can_be_earned(tmp_path):
    """An end pays 1, what goes on 0: B = 10, and no more than 1 can be earned."""
    s = torch.eye(2)
    batch = qd.Transitions(
        s, torch.zeros(2).long(), torch.tensor([0.0, 1.0]), s.flip(0), torch.tensor([0.0, 1.0])
    )
    monitor = train(table(2.5, 0.0), 5 * [batch], tmp_path / "run", learning_rate=1e-6, every=1)
    assert monitor.latest["diverge/earned_scale"] == 1.0
    sentence = verdict_on(load_run(tmp_path / "run")).sentences[0]
    assert "no more than 1 can be earned; it is far beyond" in sentence
