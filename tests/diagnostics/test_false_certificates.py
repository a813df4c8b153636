"""Runs that grow although their linear map is certified: none of them may be called so."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

import qdiverge as qd
from tests.theory.problems import BAIRD_START, baird

F = torch.float64


def line(size=1, actions=1):
    return nn.Linear(size, actions, bias=False, dtype=F)


def transitions(S, after, rewards=None, ends=0.0):
    N = len(S)
    rewards = torch.zeros(N, dtype=F) if rewards is None else rewards
    return qd.Transitions(
        S, torch.zeros(N, dtype=torch.long), rewards, after, torch.full((N,), ends)
    )


def update(q, optimizer, batch, discount, *, target=None, huber=False, clipping=None):
    y = batch.rewards + discount * (1 - batch.terminated) * (
        (target or q)(batch.next_observations)[:, 0].detach()
    )
    own = q(batch.observations)[:, 0]
    loss = smooth_l1_loss(own, y) if huber else 0.5 * ((own - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    if clipping:
        nn.utils.clip_grad_norm_(q.parameters(), clipping)
    optimizer.step()


def size(q, batch):
    return float(q(batch.observations).detach().abs().max())


@pytest.mark.parametrize("way", ["clipping", "Adam", "RMSprop"])
def test_a_period_that_cures_whole_steps_does_not_cure_bounded_ones(way):
    """Baird's star with a copy every 100 updates, far out: the target hardly lags behind."""
    p, C = baird(), 100
    q, batch = line(8), transitions(p.features, p.successor_features[:, 0])
    with torch.no_grad():
        q.weight.copy_(1e3 * BAIRD_START)
    kind, rate = (torch.optim.SGD, 0.1) if way == "clipping" else (getattr(torch.optim, way), 0.01)
    optimizer = kind(q.parameters(), lr=rate)
    clipping = 1.0 if way == "clipping" else None
    target = copy.deepcopy(q)
    update(q, optimizer, batch, 0.99, target=target)
    for key in {"exp_avg_sq", "square_avg"} & set(optimizer.state[q.weight]):
        optimizer.state[q.weight][key].fill_(1e-4)
    rule = qd.diagnose(q, batch, optimizer=optimizer, target=target, target_period=C).rule
    rule = replace(rule, clipping=clipping)
    report = qd.diagnose(q, batch, optimizer=optimizer, target=target, rule=rule).stability
    assert report.spectral_radius < 1
    assert (report.verdict, "smaller ones are not certified" in report.reason) == (
        "undecided",
        True,
    )
    with torch.no_grad():
        q.weight.copy_(1e3 * BAIRD_START)
    target, sizes = copy.deepcopy(q), []
    for number in range(1, 30 * C + 1):
        update(q, optimizer, batch, 0.99, target=target, clipping=clipping)
        if number % C == 0:
            target.load_state_dict(q.state_dict())
            sizes.append(size(q, batch))
    assert sizes == sorted(sizes)


def test_what_shrinks_whole_may_grow_where_some_errors_are_clipped():
    """The spectral radius is below 1; far out Huber's loss stops the rows that pull others back."""
    for seed in (103, 178):
        g = torch.Generator().manual_seed(seed)
        N = 2 + seed % 3
        S = torch.randn(N, N, generator=g, dtype=F)
        spread = 1 + 2 * torch.rand(1, generator=g, dtype=F)
        after = 0.7 * spread * torch.randn(N, N, generator=g, dtype=F) + 0.3 * S
        rewards = 0.5 * torch.randn(N, generator=g, dtype=F)
        q, batch = line(N), transitions(S, after, rewards)
        rate = 0.1 * N / float(torch.linalg.eigvalsh(S @ S.T).max())
        optimizer = torch.optim.SGD(q.parameters(), lr=rate)
        fixed = torch.linalg.solve(S - 0.9 * after, rewards)
        with torch.no_grad():
            q.weight.copy_(fixed)
        linear = qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability
        report = qd.diagnose(q, batch, 0.9, optimizer=optimizer, loss="huber").stability
        assert linear.verdict == "certified"
        assert (report.verdict, "which errors are clipped" in report.reason) == ("undecided", True)
        _ = torch.randn(N, generator=g, dtype=F)
        noise = 30 * torch.randn(N, generator=g, dtype=F)
        w = fixed + noise
        errors = [float((rewards + 0.9 * after @ w - S @ w).abs().max())]
        for _ in range(20_000):
            w = w + rate * S.T @ (rewards + 0.9 * after @ w - S @ w).clamp(-1, 1) / N
        errors.append(float((rewards + 0.9 * after @ w - S @ w).abs().max()))
        assert errors[1] > 1.5 * errors[0]


def test_with_hubers_loss_a_table_is_certified_still():
    q, S = line(3), torch.eye(3, dtype=F)
    batch = transitions(S, 0.5 * S.roll(1, 0), torch.tensor([0.1, 5.0, 5.0], dtype=F))
    with torch.no_grad():
        q.weight.zero_()
    for period in (None, 20):
        target = None if period is None else copy.deepcopy(q)
        report = qd.diagnose(
            q, batch, 0.9, 0.1, loss="huber", target=target, target_period=period
        ).stability
        assert report.verdict == "certified"


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9, "nesterov": True}])
def test_what_is_certified_of_the_mean_update_is_not_of_one_row_at_a_time(options):
    S = torch.eye(8, dtype=F)
    q, batch = line(8), transitions(S, 0.5 * S.roll(1, 0))
    optimizer = torch.optim.SGD(q.parameters(), lr=1.9, **options)
    whole = qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability
    report = qd.diagnose(q, batch, 0.9, optimizer=optimizer, batch_size=1).stability
    assert (whole.verdict, report.verdict) == ("certified", "undecided")
    assert "mean-square stability at batch size 1" in report.reason
    assert (report.minibatch is None) == bool(options)
    assert qd.diagnose(q, batch, 0.9, optimizer=optimizer, batch_size=8).stability.verdict == (
        "certified"
    )
    torch.manual_seed(0)
    for _ in range(5000):
        i = torch.randint(8, (1,))
        update(q, optimizer, transitions(S[i], batch.next_observations[i]), 0.9)
    assert size(q, batch) > 1e6 or not torch.isfinite(q.weight).all()


class Spiral(nn.Module):
    """V = exp((Q + εI) w) a of Tsitsiklis & Van Roy (1997), section 10."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=F))

    def forward(self, states):
        turn = torch.tensor([[1, 0.5, 1.5], [1.5, 1, 0.5], [0.5, 1.5, 1]], dtype=F)
        a = torch.tensor([100, -70, -30], dtype=F)
        return (states @ torch.linalg.matrix_exp((turn + 0.05 * torch.eye(3)) * self.w) @ a)[
            :, None
        ]


def test_the_spiral_is_certified_step_by_step_and_grows_for_ever():
    eye, q = torch.eye(3, dtype=F), Spiral()
    batch = transitions(eye.repeat_interleave(2, 0), eye[[0, 2, 0, 1, 1, 2]])
    optimizer = torch.optim.SGD(q.parameters(), lr=1e-6)
    diagnosis = qd.diagnose(q, batch, 0.9, optimizer=optimizer)
    assert diagnosis.stability.spectral_radius < 1
    assert diagnosis.linearisation_error < 1e-3
    assert diagnosis.stability.verdict == "undecided"
    assert "the curvature of Q" in diagnosis.stability.reason
    before = size(q, batch)
    for _ in range(3000):
        update(q, optimizer, batch, 0.9)
    assert size(q, batch) > 1.3 * before


class Bent(nn.Module):
    """Q(1) = w + w², Q(2) = w − w²."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros((), dtype=F))

    def forward(self, states):
        return self.w + (3 - 2 * states) * self.w**2


@pytest.mark.parametrize(("error", "verdict"), [(0.1, "certified"), (2.0, "undecided")])
def test_a_fixed_point_may_be_a_summit_of_the_loss(error, verdict):
    """Rewards ± error: δ is orthogonal to the features, and Σ δ_i ∇²Q_i = 4 error beside K."""
    q, S = Bent(), torch.tensor([[1.0], [2.0]], dtype=F)
    batch = transitions(S, S, torch.tensor([error, -error], dtype=F), 1.0)
    optimizer = torch.optim.SGD(q.parameters(), lr=0.1)
    report = qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability
    assert (report.spectral_radius < 1, report.verdict) == (True, verdict)
    with torch.no_grad():
        q.w.fill_(1e-3)
    for _ in range(200):
        update(q, optimizer, batch, 0.9)
    assert (abs(float(q.w.detach())) < 1e-3) == (verdict == "certified")


def test_integer_actions_that_the_batch_says_come_next_are_not_taken_for_greedy():
    """w → 2w by action 0; the batch goes on with action 1, which nothing trains."""
    q, S = line(1, 2), torch.ones(1, 1, dtype=F)
    with torch.no_grad():
        q.weight.copy_(torch.tensor([[1.5], [0.0]]))
    batch = {"obs": S, "actions": torch.tensor([0]), "rewards": torch.zeros(1, dtype=F),
             "next_obs": 2 * S, "dones": torch.zeros(1)}  # fmt: skip
    assert qd.diagnose(q, batch, 0.9, 0.1).stability.verdict == "divergent"
    sarsa = batch | {"next_actions": torch.tensor([1])}
    for asked, options in (
        (sarsa, {}), (batch, {"entropy_coefficient": 0.5}), (batch, {"policy": lambda s: s[:, 0]}),
    ):  # fmt: skip
        report = qd.diagnose(q, asked, 0.9, 0.1, **options).stability
        assert (report.verdict, "greedy" in report.reason) == ("undecided", True)


class Critic(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([weight], dtype=F))

    def forward(self, observations, actions):
        return (observations * self.w).sum(1)


class SharedTrunk(nn.Module):
    """Two values of one weight."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1, dtype=F))

    def forward(self, observations, actions):
        value = (observations * self.w).sum(1)
        return value, 1.1 * value


def pairs_of_critics(following):
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, 1, dtype=F)
    return {"obs": S, "actions": a, "rewards": torch.zeros(1, dtype=F), "next_obs": following * S,
            "dones": torch.zeros(1), "next_actions": a}  # fmt: skip


def test_critics_that_share_weights_take_the_steps_of_both():
    """Each alone is stable at α = 1.3; their one weight makes 1 − α(1 + 1.21) of itself."""
    twin = SharedTrunk()
    optimizer = torch.optim.SGD(twin.parameters(), lr=1.3)
    report = qd.diagnose(twin, pairs_of_critics(0.0), 0.9, optimizer=optimizer).stability
    assert (report.spectral_radius < 1, report.verdict) == (True, "undecided")
    assert "share" in report.reason
    same = Critic(1.0)
    assert "share" in qd.diagnose([same, same], pairs_of_critics(0.0), 0.9, 0.1).stability.reason


def test_each_critic_learns_at_the_rate_of_its_own_group():
    critics = [Critic(1.0), Critic(2.0)]
    for rates in ((2.5, 1e-3), (1e-3, 2.5), (0.1, 0.1)):
        groups = [{"params": c.parameters(), "lr": α} for c, α in zip(critics, rates, strict=True)]
        optimizer = torch.optim.SGD(groups)
        diagnosis = qd.diagnose(critics, pairs_of_critics(1.2), 0.9, optimizer=optimizer)
        α, β = rates
        M = torch.tensor([[1 - α + α * 0.9 * 1.2, 0.0], [β * 0.9 * 1.2, 1 - β]], dtype=F)
        expected = float(torch.linalg.eigvals(M).abs().max())
        assert diagnosis.stability.spectral_radius == pytest.approx(expected, rel=1e-9)
        assert diagnosis.linearisation_error < 1e-9
    one = torch.optim.SGD(critics[0].parameters(), lr=0.1)
    report = qd.diagnose(critics, pairs_of_critics(0.5), 0.9, optimizer=one).stability
    assert report.reason == "the optimiser holds no parameter of critic 1"


def test_a_target_that_is_elsewhere_does_not_follow_at_once():
    q, S = line(), torch.ones(1, 1, dtype=F)
    batch, target = transitions(S, 0.5 * S), copy.deepcopy(q)
    assert qd.diagnose(q, batch, 0.9, 0.1, target=target).stability.verdict == "certified"
    with torch.no_grad():
        target.weight.add_(1.0)
    report = qd.diagnose(q, batch, 0.9, 0.1, target=target).stability
    assert (report.verdict, "target_period or polyak" in report.reason) == ("undecided", True)
    for known in ({"target_period": 5}, {"polyak": 0.1}, {"bootstrap": "q"}):
        assert qd.diagnose(q, batch, 0.9, 0.1, target=target, **known).stability.verdict == (
            "certified"
        )


def test_centred_second_moments_certify_nothing():
    """The gradient is steady, so v − ḡ² goes to 0 and the step to α/ε of what it was seen to be."""
    S = torch.eye(2, dtype=F)
    q, batch = line(2), transitions(S, 0.1 * S)
    for centered in (False, True):
        optimizer = torch.optim.RMSprop(q.parameters(), lr=1e-3, centered=centered)
        update(q, optimizer, batch, 0.9)
        verdict = qd.diagnose(q, batch, 0.9, optimizer=optimizer).stability.verdict
        assert verdict == ("undecided" if centered else "certified")


def test_an_average_now_and_then_is_none_at_every_update():
    q, S = line(), torch.ones(1, 1, dtype=F)
    options = {"target": copy.deepcopy(q), "polyak": 0.1}
    often, seldom = (
        qd.diagnose(q, transitions(S, 1.5 * S), 0.9, 0.1, averaging_period=C, **options).stability
        for C in (1, 5)
    )
    assert (often.target_period, seldom.target_period) == (1, 5)
    assert seldom.update_radius < often.update_radius


def test_no_advice_is_given_on_an_update_that_is_not_modelled():
    q, S = line(), torch.ones(1, 1, dtype=F)
    reason = "it learns the logits of a distribution"
    diagnosis = qd.diagnose(q, transitions(S, 2 * S), 0.9, 3.0, not_modelled=reason)
    assert diagnosis.advice[-1] == f"No linear theory advises on this update: {reason}."
    assert not any("learning rate" in sentence for sentence in diagnosis.advice)


def test_advice_on_the_step_is_no_guess_at_present_greedy_actions():
    """A mode grows and switches its actions: what step is stable with others is not known."""
    q, S = line(1, 2), torch.ones(1, 1, dtype=F)
    with torch.no_grad():
        q.weight.copy_(torch.tensor([[1.0], [1.1]]))
    batch = transitions(S, torch.tensor([[-2.0]], dtype=F))
    diagnosis = qd.diagnose(q, batch, 0.9, 5.0)
    is_sure = diagnosis.stability.verdict == "divergent"
    assert any("largest stable one" in sentence for sentence in diagnosis.advice) == is_sure
