"""Runs that come to rest although a mode of their linear map grows, and what float32 hides."""

import math

import pytest
import torch
from torch import nn

import qdiverge as qd
from qdiverge.diagnostics.diagnose import make_moment, rule_of
from qdiverge.diagnostics.present_state import start_of
from qdiverge.theory.path_from_here import grows_from
from tests.diagnostics.test_false_certificates import Critic, F, line, size, transitions, update
from tests.diagnostics.test_verdicts_against_runs import Case


def test_what_grows_on_a_modes_other_side_alone_is_not_divergent():
    """w → 2w by one action and w/2 by the other: what is below 0 goes to 0."""
    S = torch.ones(1, 1, dtype=F)
    for start, verdict in ((1.0, "divergent"), (-1.0, "undecided")):
        q = nn.Linear(1, 2, bias=False, dtype=F)
        with torch.no_grad():
            q.weight.copy_(torch.tensor([[1.0], [0.0]]))
            q.weight.mul_(start)
            q.weight[1] = 0.5 * q.weight[0] if start < 0 else -5.0
        batch = transitions(S, 2 * S)
        report = qd.diagnose(q, batch, 0.9, 0.1).stability
        assert report.verdict == verdict
        optimizer = torch.optim.SGD(q.parameters(), lr=0.1)
        before = abs(float(q.weight[0].detach()))
        for _ in range(300):
            y = 0.9 * q(2 * S).amax(1).detach()
            loss = 0.5 * (q(S)[:, 0] - y).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        after = abs(float(q.weight[0].detach()))
        assert (after > 1e3 * before) == (verdict == "divergent")


def test_a_slow_mode_that_switches_and_rests_is_not_divergent():
    case = Case(50317)  # SGD with decay: |λ| = 1.00078, and 18,000 updates later max|Q| is 3.36
    for _ in range(60):
        case.update()
    report = case.verdict()
    assert (report.verdict, "from where the run is" in report.reason) == ("undecided", True)


def test_adam_with_double_q_learning_that_turns_back_is_not_divergent():
    case = Case(50396)  # max|Q| goes from 3.2 to 43.8 in 3,000 updates, and then down
    for _ in range(60):
        case.update()
    report = case.verdict()
    assert (report.verdict, "signs of its gradient" in report.reason) == ("undecided", True)


@pytest.mark.parametrize("options", [{"momentum": 0.9}, {"momentum": 0.5, "weight_decay": 0.01}])
def test_velocity_and_decay_are_part_of_where_a_run_is(options):
    """The system that is followed is the run's own, for a linear network: update by update."""
    torch.manual_seed(3)
    S, after = torch.randn(2, 3, 3, dtype=F)
    q = nn.Linear(3, 2, dtype=F)
    batch = qd.Transitions(
        S, torch.tensor([0, 1, 1]), torch.randn(3, dtype=F), 2.5 * after, torch.zeros(3)
    )
    optimizer = torch.optim.SGD(q.parameters(), lr=0.1, **options)

    def one():
        y = batch.rewards + 0.9 * q(batch.next_observations).amax(1).detach()
        own = q(S).gather(1, batch.actions[:, None])[:, 0]
        optimizer.zero_grad()
        (0.5 * (own - y) ** 2).mean().backward()
        optimizer.step()
        return float(own.detach().abs().max())

    for _ in range(5):
        one()
    rule = rule_of(
        q, batch, 0.9, None, target=None, optimizer=optimizer, target_period=None, polyak=None,
        loss="half_squared", bootstrap=None, entropy_coefficient=0.0, not_modelled="",
    )  # fmt: skip
    moment = make_moment(
        q, batch, 0.9, 0.1, optimizer=optimizer, bootstrap=rule.bootstrap, rule=rule
    )
    ones = torch.ones(3, dtype=F) / 3
    features = torch.cat([S, torch.ones(3, 1, dtype=F)], 1)  # with the bias
    ahead = torch.cat([2.5 * after, torch.ones(3, 1, dtype=F)], 1)
    same = torch.stack([batch.actions == a for a in (0, 1)], 1).to(F)
    K = features @ features.T * (batch.actions[:, None] == batch.actions)
    successors = 0.9 * (ahead @ features.T)[:, None, :] * same.T
    start = start_of(moment, rule)
    grows, num_updates = grows_from(start, K, successors, ones, rule.descent)
    assert grows
    limit = 1e4 * max(float(start.own.abs().max()), float(start.rewards.abs().max()))
    sizes = [one() for _ in range(num_updates + 2)]
    assert sizes[num_updates] > 0.999 * limit > 0.99 * sizes[num_updates - 1]


def test_draws_may_undo_what_grows_on_average():
    """One row multiplies w by 2.1, the other by 0.1: at even odds their mean grows, w does not."""
    S, after = torch.ones(2, 1, dtype=F), torch.tensor([[2.1], [0.1]], dtype=F)
    q, batch = line(), transitions(S, after)
    with torch.no_grad():
        q.weight.fill_(1.0)
    optimizer = torch.optim.SGD(q.parameters(), lr=1.0)
    γ = 1 - 1e-9
    assert qd.diagnose(q, batch, γ, optimizer=optimizer).stability.verdict == "divergent"
    report = qd.diagnose(q, batch, γ, optimizer=optimizer, batch_size=1).stability
    assert (report.verdict, "noise of the draws" in report.reason) == ("undecided", True)
    torch.manual_seed(0)
    for _ in range(300):
        i = torch.randint(2, (1,))
        update(q, optimizer, transitions(S[i], after[i]), γ)
    assert size(q, batch) < 1e-20
    mild = torch.optim.SGD(line().parameters(), lr=1.0)
    mild.param_groups[0]["params"] = list(q.parameters())
    mild.param_groups[0]["lr"] = 0.01
    assert qd.diagnose(q, batch, γ, optimizer=mild, batch_size=1).stability.verdict == "divergent"


def test_what_the_noise_does_under_momentum_is_not_known():
    S = torch.ones(2, 1, dtype=F)
    q, batch = line(), transitions(S, 2 * S)
    optimizer = torch.optim.SGD(q.parameters(), lr=0.01, momentum=0.9)
    report = qd.diagnose(q, batch, 0.9, optimizer=optimizer, batch_size=1).stability
    assert (report.verdict, "is known of plain" in report.reason) == ("undecided", True)


def test_random_subsets_of_critics_are_no_divergence_either():
    critics = [Critic(1.0), Critic(1.1), Critic(1.2)]
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, 1, dtype=F)
    batch = {"obs": S, "actions": a, "rewards": torch.zeros(1, dtype=F), "next_obs": 2 * S,
             "dones": torch.zeros(1), "next_actions": a}  # fmt: skip
    rule = qd.UpdateRule(discount=0.9, learning_rate=0.1, critics="min", critic_subset=2)
    report = qd.diagnose(critics, batch, rule=rule).stability
    assert (report.verdict, "draws other critics" in report.reason) == ("undecided", True)


class LinearCritic(nn.Module):
    def __init__(self, num_features):
        super().__init__()
        self.w = nn.Parameter(torch.randn(num_features))

    def forward(self, observations, actions):
        return observations @ self.w


@pytest.mark.parametrize("seed", range(6))
def test_rounding_of_twin_critics_in_float32_is_no_growth(seed):
    """More pairs than parameters: what of K is rounding made modes of |λ| = 1 + 1e-9."""
    torch.manual_seed(seed)
    critics, S = [LinearCritic(4) for _ in range(2)], torch.randn(12, 4)
    after = 0.2 * torch.randn(12, 4)
    batch = {"obs": S, "actions": S[:, :1], "rewards": 0.01 * torch.randn(12), "next_obs": after,
             "dones": torch.zeros(12), "next_actions": after[:, :1]}  # fmt: skip
    optimizer = torch.optim.SGD([p for c in critics for p in c.parameters()], lr=0.05)
    report = qd.diagnose(critics, batch, 0.9, optimizer=optimizer).stability
    assert report.spectral_radius < 0.9999
    assert report.verdict != "divergent"


def test_what_float32_hides_of_a_kernel_is_not_certified_to_stand_still():
    """A weight seen at 1e-3 of the other: 1e-6 of K, and it grows by 9.3e-7 an update."""
    S, after = torch.tensor([[1.0, 0.0], [0.0, 1e-3]]), torch.tensor([[0.5, 0.0], [0.0, 2e-3]])
    verdicts = {}
    for dtype in (torch.float32, F):
        q = nn.Linear(2, 1, bias=False, dtype=dtype)
        nn.init.ones_(q.weight)
        batch = transitions(S.to(dtype), after.to(dtype), torch.zeros(2, dtype=dtype))
        optimizer = torch.optim.SGD(q.parameters(), lr=1.9)
        verdicts[dtype] = qd.diagnose(q, batch, 0.99, optimizer=optimizer).stability.verdict
    assert verdicts == {torch.float32: "undecided", F: "divergent"}
    q = nn.Linear(2, 1, bias=False)
    nn.init.ones_(q.weight)
    batch = transitions(S, after, torch.zeros(2))
    optimizer = torch.optim.SGD(q.parameters(), lr=1.9)
    for _ in range(3000):
        update(q, optimizer, batch, 0.99)
    assert float(q.weight.detach()[0, 1]) > 1.002
    repeated = transitions(torch.ones(3, 2), 0.5 * torch.ones(3, 2), torch.zeros(3))
    assert qd.diagnose(q, repeated, 0.99, 0.1).stability.verdict == "certified"


def test_where_every_error_is_clipped_nothing_is_said_of_a_kernel_that_is_not_zero():
    S = torch.eye(4, dtype=F)
    batch = transitions(S, 0.5 * S.roll(1, 0), torch.full((4,), 50.0, dtype=F))
    diagnosis = qd.diagnose(line(4), batch, 0.9, 0.1, loss="huber")
    report = diagnosis.stability
    assert (report.verdict, "every TD error is beyond ±1" in report.reason) == ("undecided", True)
    assert not any("set it below" in s or "is zero" in s for s in diagnosis.advice)


def test_a_growing_mode_at_gamma_1_has_no_bound_to_pass():
    q, S = line(), torch.ones(1, 1, dtype=F)
    with torch.no_grad():
        q.weight.fill_(1.0)
    diagnosis = qd.diagnose(q, transitions(S, 2 * S), 1.0, 0.1)
    assert (diagnosis.stability.verdict, diagnosis.forecast) == ("divergent", math.inf)
