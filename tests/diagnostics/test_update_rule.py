"""The verdict is about the update that the run makes: cases that came out wrong before."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

import qdiverge as qd

F = torch.float64


def two_rotating_pairs():
    """Pairs whose successors turn by a right angle: stable by descent, not with momentum."""
    S = torch.eye(2, dtype=F)
    turned = 1.5 * torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=F)
    actions, ends = torch.zeros(2, dtype=torch.long), torch.zeros(2)
    return qd.Transitions(S, actions, torch.ones(2, dtype=F), turned, ends)


def train(q, optimizer, batch, discount, updates):
    for _ in range(updates):
        with torch.no_grad():
            y = batch.rewards + discount * q(batch.next_observations)[:, 0]
        loss = 0.5 * ((q(batch.observations)[:, 0] - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(q(batch.observations).detach().abs().max())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"momentum": 0.9, "nesterov": True}),
        ("RMSprop", {"momentum": 0.9}),
    ],
)
def test_momentum_that_blows_up_is_never_certified(kind, options):
    q = nn.Linear(2, 1, bias=False, dtype=F)
    optimizer = getattr(torch.optim, kind)(q.parameters(), lr=0.2, **options)
    batch = two_rotating_pairs()
    train(q, optimizer, batch, 0.99, 3)
    diagnosis = qd.diagnose(q, batch, 0.99, optimizer=optimizer)
    assert diagnosis.stability.verdict != "certified"
    assert diagnosis.stability.spectral_radius > 1
    if kind == "SGD":
        assert train(q, optimizer, batch, 0.99, 300) > 1e9


def test_momentum_has_the_radius_of_its_own_map():
    q = nn.Linear(2, 1, bias=False, dtype=F)
    optimizer = torch.optim.SGD(q.parameters(), lr=0.2, momentum=0.9)
    diagnosis = qd.diagnose(q, two_rotating_pairs(), 0.99, optimizer=optimizer)
    assert diagnosis.stability.spectral_radius == pytest.approx(1.169, abs=5e-4)
    plain = qd.diagnose(q, two_rotating_pairs(), 0.99, 0.2)
    assert plain.stability.spectral_radius == pytest.approx(0.912, abs=5e-4)


@pytest.mark.parametrize("name", ["NAdam", "Adamax", "Adagrad", "RAdam"])
def test_an_optimiser_that_is_not_modelled_is_undecided_by_name(name):
    q = nn.Linear(2, 1, bias=False, dtype=F)
    optimizer = getattr(torch.optim, name)(q.parameters(), lr=0.01)
    diagnosis = qd.diagnose(q, two_rotating_pairs(), 0.99, optimizer=optimizer)
    assert (diagnosis.stability.verdict, diagnosis.stability.reason) == (
        "undecided",
        f"{name} is not modelled",
    )
    assert diagnosis.forecast == float("inf")


def test_importance_weights_enter_the_map():
    q = nn.Linear(3, 1, bias=False, dtype=F)
    S, w, lr = torch.eye(3, dtype=F), torch.tensor([0.02, 1.0, 1.0], dtype=F), 0.5
    after = torch.diag(torch.tensor([2.0, 0.0, 0.0], dtype=F))
    batch = {
        "obs": S, "actions": torch.zeros(3, dtype=torch.long), "rewards": torch.zeros(3, dtype=F),
        "next_obs": after, "dones": torch.zeros(3), "weights": w,
    }  # fmt: skip
    A = 0.9 * after - S
    step = torch.eye(3, dtype=F) + lr * A @ torch.diag(w / 3)
    expected = float(torch.linalg.eigvals(step).abs().max())
    report = qd.diagnose(q, batch, 0.9, lr).stability
    assert report.spectral_radius == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(1.0027, abs=1e-4)


def test_weights_are_one_for_each_row_and_a_method_of_that_name_is_none():
    q, batch = nn.Linear(2, 1, dtype=F), two_rotating_pairs()
    named = dict(vars(batch), weights=torch.ones(3, dtype=F))
    with pytest.raises(qd.InvalidValueError, match="one number for each of 2 transitions"):
        qd.diagnose(q, named, 0.9, 0.1)
    plain = qd.diagnose(q, batch, 0.9, 0.1).stability.spectral_radius
    method = dict(vars(batch), weights=lambda: None)
    assert qd.diagnose(q, method, 0.9, 0.1).stability.spectral_radius == plain


def test_each_row_has_the_discount_that_the_batch_says():
    q = nn.Linear(1, 1, bias=False, dtype=F)  # w → 2w with γ = 0.9 and with γ³
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, dtype=torch.long)
    for discount in (0.9, 0.9**3):
        batch = {
            "obs": S, "actions": a, "rewards": torch.zeros(1, dtype=F), "next_obs": 2 * S,
            "dones": torch.zeros(1), "discounts": torch.tensor([discount], dtype=F),
        }  # fmt: skip
        report = qd.diagnose(q, batch, 0.5, 0.1).stability
        assert report.spectral_radius == pytest.approx(1 + 0.1 * (2 * discount - 1))


class TwoCritics(nn.Module):
    def __init__(self, weight):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([weight], dtype=F))

    def forward(self, observations, actions):
        return (observations * self.w).sum(1)


def test_the_least_of_two_critics_is_followed_down():
    """w → 2w for both: the values of the lesser one lead both to −∞, whatever either has alone."""
    critics = [TwoCritics(1.0), TwoCritics(2.0)]
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, 1, dtype=F)
    batch = {
        "obs": S, "actions": a, "rewards": torch.zeros(1, dtype=F), "next_obs": 2 * S,
        "dones": torch.zeros(1), "next_actions": a,
    }  # fmt: skip
    report = qd.diagnose(critics, batch, 0.9, 0.1).stability
    # the first is the least: it grows by 1 + α(2γ − 1), and the second follows it
    assert report.spectral_radius == pytest.approx(1 + 0.1 * (2 * 0.9 - 1))
    assert report.verdict == "divergent"


def test_an_averaged_target_is_no_copy():
    q, target = nn.Linear(1, 1, bias=False, dtype=F), nn.Linear(1, 1, bias=False, dtype=F)
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, dtype=torch.long)
    batch = qd.Transitions(S, a, torch.ones(1, dtype=F), 0.5 * S, torch.zeros(1))
    averaged = qd.diagnose(q, batch, 0.9, 0.1, target=target, polyak=0.005)
    assert averaged.stability.polyak == 0.005
    assert "τ = 0.005" in str(averaged.rule)
    both = qd.diagnose(q, batch, 0.9, 0.1, target=target, polyak=0.005, target_period=1)
    assert both.stability.polyak == 0.005
    online = qd.diagnose(q, batch, 0.9, 0.1, target=target, polyak=0.005, bootstrap="q")
    assert online.stability.polyak is None  # the target is there, and nobody asks it


def test_where_another_network_selects_nothing_is_certified():
    torch.manual_seed(0)
    q, target = nn.Linear(3, 2, dtype=F), nn.Linear(3, 2, dtype=F)
    batch = qd.Transitions(
        torch.randn(3, 3, dtype=F), torch.randint(2, (3,)), torch.randn(3, dtype=F),
        0.1 * torch.randn(3, 3, dtype=F), torch.zeros(3),
    )  # fmt: skip
    options = {"target": target, "target_period": 20}
    assert qd.diagnose(q, batch, 0.5, 0.01, **options).stability.verdict == "certified"
    for bootstrap in ("double_q", "inverse_double_q"):
        report = qd.diagnose(q, batch, 0.5, 0.01, bootstrap=bootstrap, **options).stability
        assert report.verdict == "undecided"
        assert "no weighted sup norm is known" in report.reason


def test_successors_of_terminal_rows_that_are_no_numbers_count_for_nothing():
    torch.manual_seed(0)
    q = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    ends = torch.tensor([1.0, 0.0, 0.0, 1.0])
    batch = qd.Transitions(
        torch.randn(4, 3, dtype=F), torch.randint(2, (4,)), torch.randn(4, dtype=F),
        torch.randn(4, 3, dtype=F), ends,
    )  # fmt: skip
    whole = qd.diagnose(q, batch, 0.9, 0.01)
    batch.next_observations[ends.bool()] = float("nan")
    holed = qd.diagnose(q, batch, 0.9, 0.01)
    assert holed.stability.spectral_radius == pytest.approx(whole.stability.spectral_radius)
    torch.testing.assert_close(holed.td_errors, whole.td_errors)


def test_the_rule_says_where_each_field_is_from():
    q = nn.Linear(2, 1, dtype=F)
    optimizer = torch.optim.AdamW(q.parameters(), lr=0.01)
    fresh = qd.diagnose(q, two_rotating_pairs(), 0.99, optimizer=optimizer)
    assert "second moments only after its first step" in fresh.stability.reason
    train(q, optimizer, two_rotating_pairs(), 0.99, 1)
    rule = qd.diagnose(q, two_rotating_pairs(), 0.99, optimizer=optimizer, loss="squared").rule
    assert (rule.sources["momentum"], rule.sources["discount"]) == ("optimizer", "given")
    assert rule.sources["clipping"] == "assumed"
    assert rule.descent.learning_rate == pytest.approx(0.02)
    assert str(rule).startswith("δ² by AdamW, learning rate 0.01, momentum 0.9 of gain 0.1")


class LinearCritic(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.w = nn.Parameter(torch.randn(size, dtype=F))

    def forward(self, observations, actions):
        return observations @ self.w


@pytest.mark.parametrize("polyak", [None, 0.05])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.8}])
@pytest.mark.parametrize("seed", range(3))
def test_the_radius_of_twins_is_that_of_all_their_parameters(seed, options, polyak):
    """Real SGD on both critics, whose targets take the least; which one is least stays."""
    torch.manual_seed(seed)
    size, discount, lr = 4, 0.9, 0.2
    critics, targets = ([LinearCritic(size) for _ in range(2)] for _ in range(2))
    optimizer = torch.optim.SGD([c.w for c in critics], lr=lr, **options)
    S, after = torch.randn(6, size, dtype=F), 1.5 * torch.randn(6, size, dtype=F)
    batch = {
        "obs": S, "actions": S[:, :1], "rewards": torch.zeros(6, dtype=F), "next_obs": after,
        "dones": torch.zeros(6), "next_actions": S[:, :1],
    }  # fmt: skip
    evaluates = targets if polyak is not None else critics
    least = torch.stack([c(after, None) for c in evaluates]).argmin(0)
    report = qd.diagnose(
        critics, batch, discount, optimizer=optimizer,
        target=targets if polyak is not None else None, polyak=polyak,
    ).stability  # fmt: skip

    def update(state):
        parts = list(state.split(size))
        for c in critics:
            c.w.data.copy_(parts.pop(0))
        for c in critics if options else ():
            optimizer.state[c.w]["momentum_buffer"] = parts.pop(0).clone()
        for t, c in zip(targets, critics, strict=True):
            t.w.data.copy_(parts.pop(0) if polyak is not None else c.w.detach())
        y = (
            discount
            * torch.stack([t(after, None) for t in targets])[least, torch.arange(6)].detach()
        )
        optimizer.zero_grad()
        sum(0.5 * ((c(S, None) - y) ** 2).mean() for c in critics).backward()
        optimizer.step()
        ends = [c.w.detach().clone() for c in critics]
        ends += [optimizer.state[c.w]["momentum_buffer"].clone() for c in critics if options]
        if polyak is not None:
            ends += [
                t.w.detach().lerp(c.w.detach(), polyak)
                for t, c in zip(targets, critics, strict=True)
            ]
        return torch.cat(ends)

    parts = 2 * (1 + bool(options) + (polyak is not None))
    M = torch.stack([update(unit) for unit in torch.eye(parts * size, dtype=F)], 1)
    expected = float(torch.linalg.eigvals(M).abs().max())
    assert report.spectral_radius == pytest.approx(expected, rel=1e-9)


def critics_of_a_line(count):
    """Return linear critics, and a batch of theirs that leads on to states further out."""
    torch.manual_seed(count)
    critics = [LinearCritic(3) for _ in range(count)]
    S, after = torch.randn(6, 3, dtype=F), 1.5 * torch.randn(6, 3, dtype=F)
    batch = {
        "obs": S, "actions": S[:, :1], "rewards": torch.zeros(6, dtype=F), "next_obs": after,
        "dones": torch.zeros(6), "next_actions": S[:, :1],
    }  # fmt: skip
    return critics, S, after, batch


@pytest.mark.parametrize(("critics", "subset"), [("min", 2), ("min", 3), ("mean", None)])
def test_a_random_few_of_many_critics_are_averaged_over_all_draws(critics, subset):
    """The mean of the parameters' maps, one for each of the draws that REDQ may make."""
    nets, S, after, batch = critics_of_a_line(4)
    values = torch.stack([c(after, None) for c in nets]).detach()  # [n, N]
    draws = list(itertools.combinations(range(4), subset or 4))
    select = torch.zeros(4, 6, dtype=F)
    for draw in draws:
        least = values[list(draw)].argmin(0)
        select[torch.tensor(draw)[least], torch.arange(6)] += 1 / len(draws)
    if critics == "mean":
        select.fill_(1 / 4)
    γ, lr = 0.9, 0.1
    own = S.T @ S / 6
    M = torch.block_diag(*[torch.eye(3, dtype=F) - lr * own] * 4)
    for c in range(4):
        for m in range(4):
            block = lr * γ * S.T @ (select[m][:, None] * after) / 6
            M[3 * c : 3 * c + 3, 3 * m : 3 * m + 3] += block
    rule = qd.UpdateRule(discount=γ, learning_rate=lr, critics=critics, critic_subset=subset)
    diagnosis = qd.diagnose(nets, batch, rule=rule)
    expected = float(torch.linalg.eigvals(M).abs().max())
    assert diagnosis.stability.spectral_radius == pytest.approx(expected, abs=1e-10)
    y = γ * (select * values).sum(0)
    δ = y - nets[0](S, None).detach()
    assert torch.allclose(diagnosis.td_errors, δ)
    assert diagnosis.stability.verdict != "certified" or critics == "mean"


def test_the_growth_of_twins_is_split_over_both():
    nets, S, after, batch = critics_of_a_line(2)
    diagnosis = qd.diagnose(nets, batch, 0.9, learning_rate=0.1)
    attribution = diagnosis.attribution
    least = torch.stack([c(after, None) for c in nets]).argmin(0)
    M = torch.block_diag(*[-(S.T @ S) / 6] * 2)
    for c in range(2):
        for m in range(2):
            M[3 * c : 3 * c + 3, 3 * m : 3 * m + 3] += (
                0.9 * S.T @ ((least == m)[:, None].to(F) * after) / 6
            )
    assert attribution.eigenvalue.real == pytest.approx(float(torch.linalg.eigvals(M).real.max()))
    assert set(attribution.layers) == {"critic 0: w", "critic 1: w"}
    assert sum(attribution.layers.values()) == pytest.approx(attribution.eigenvalue.real)
    assert any("of critic" in sentence for sentence in diagnosis.advice)


def test_a_mode_within_rounding_of_zero_explains_nothing():
    """Rows that nothing moves have eigenvalue 0, and float32 makes it 1e-9."""
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 1, bias=False)
    S = torch.randn(2, 2).repeat(3, 1)
    batch = qd.Transitions(S, torch.zeros(6, dtype=torch.int64), torch.ones(6), S, torch.ones(6))
    diagnosis = qd.diagnose(net, batch, 0.9, learning_rate=100.0)  # too large for regression
    assert diagnosis.stability.spectral_radius > 1
    assert diagnosis.attribution.is_neutral
    assert "no growth to explain" in str(diagnosis)
    assert not any("pushes" in sentence for sentence in diagnosis.advice)


@pytest.mark.parametrize("way", ["huber", "clipping", "Adam"])
@pytest.mark.parametrize(("following", "is_divergent"), [(0.0, False), (2.0, True)])
def test_what_grows_by_too_large_a_step_alone_comes_to_an_end_where_steps_are_bounded(
    way, following, is_divergent
):
    """One weight: s = 1 leads to s' = 0, where α = 3 only oscillates, or w → 2w, which goes on."""
    q = nn.Linear(1, 1, bias=False, dtype=F)
    kind = torch.optim.Adam if way == "Adam" else torch.optim.SGD
    optimizer = kind(q.parameters(), lr=3.0)
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, dtype=torch.long)
    batch = qd.Transitions(S, a, torch.full((1,), 0.1, dtype=F), following * S, torch.zeros(1))
    loss = "huber" if way == "huber" else "half_squared"
    clipping = 1.0 if way == "clipping" else None

    def update():
        y = batch.rewards + 0.9 * q(batch.next_observations)[:, 0].detach()
        optimizer.zero_grad()
        each = nn.functional.smooth_l1_loss if way == "huber" else nn.functional.mse_loss
        (each(q(S)[:, 0], y) / (1 if way == "huber" else 2)).backward()
        if clipping:
            nn.utils.clip_grad_norm_(q.parameters(), clipping)
        optimizer.step()

    with torch.no_grad():
        q.weight.fill_(0.5)
    if way == "Adam":  # second moments of small gradients: until they grow the step is large
        update()
        optimizer.state[q.weight]["exp_avg_sq"].fill_(1e-8)
        optimizer.state[q.weight]["step"].fill_(1e6)
        with torch.no_grad():
            q.weight.fill_(0.5)
    given = replace(
        qd.diagnose(q, batch, 0.9, optimizer=optimizer, loss=loss).rule, clipping=clipping
    )
    report = qd.diagnose(q, batch, optimizer=optimizer, rule=given).stability
    assert report.spectral_radius > 1
    assert report.verdict == ("divergent" if is_divergent else "undecided")
    assert ("step" in report.reason) == (not is_divergent)
    sizes = []
    for _ in range(4000):
        update()
        sizes.append(float(q.weight.detach().abs()))
    assert (max(sizes[-100:]) > 1.5 * max(sizes[:2000])) == is_divergent


def test_decay_holds_what_bounded_steps_push():
    """w → 2w by Huber's loss with decay: the push is α a step at most, the decay grows with w."""
    q = nn.Linear(1, 1, bias=False, dtype=F)
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, dtype=torch.long)
    batch = qd.Transitions(S, a, torch.full((1,), 0.1, dtype=F), 2 * S, torch.zeros(1))
    for decay in (0.0, 0.1):
        optimizer = torch.optim.SGD(q.parameters(), lr=0.1, weight_decay=decay)
        with torch.no_grad():
            q.weight.fill_(0.05)
        report = qd.diagnose(q, batch, 0.9, optimizer=optimizer, loss="huber").stability
        assert report.spectral_radius > 1
        assert report.verdict == ("undecided" if decay else "divergent")
        for _ in range(4000):
            y = batch.rewards + 0.9 * q(2 * S)[:, 0].detach()
            optimizer.zero_grad()
            nn.functional.smooth_l1_loss(q(S)[:, 0], y).backward()
            optimizer.step()
        assert (float(q.weight.detach().abs()) > 100) == (decay == 0)


def test_a_mode_that_grows_slower_than_second_moments_change_is_undecided():
    """w → 2w: 1.8 α P an update, at two learning rates, beside moments that last 1,000 updates."""
    S, a = torch.ones(1, 1, dtype=F), torch.zeros(1, dtype=torch.long)
    batch = qd.Transitions(S, a, torch.ones(1, dtype=F), 2 * S, torch.zeros(1))
    for rate, verdict in ((1e-5, "undecided"), (1e-2, "divergent")):
        q = nn.Linear(1, 1, bias=False, dtype=F)
        optimizer = torch.optim.Adam(q.parameters(), lr=rate)
        train(q, optimizer, batch, 0.95, 3)
        optimizer.state[q.weight]["exp_avg_sq"].fill_(0.01)
        optimizer.state[q.weight]["step"].fill_(1e6)  # v̂ = 0.01: P = 10
        report = qd.diagnose(q, batch, 0.95, optimizer=optimizer).stability
        assert report.spectral_radius > 1
        assert report.verdict == verdict
        assert ("second moments, which it was seen with, last 1e+03" in report.reason) == (
            verdict == "undecided"
        )


@pytest.mark.parametrize(("loss", "factor"), [("squared", 1.0), ("half_squared", 0.25)])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("SGD", {"weight_decay": 0.3}),
        ("SGD", {"momentum": 0.9, "weight_decay": 0.3, "nesterov": True}),
        ("AdamW", {"weight_decay": 0.3, "betas": (0.9, 1 - 2**-53)}),
    ],
)
def test_decay_and_velocity_go_by_the_learning_rate_whatever_the_loss_is_multiplied_by(
    kind, options, loss, factor
):
    """One weight that leads to 0.8 of itself: the real step and the real map, of any slope."""
    q, S = nn.Linear(1, 1, bias=False, dtype=F), torch.ones(1, 1, dtype=F)
    batch = qd.Transitions(S, torch.zeros(1, dtype=torch.long), torch.ones(1, dtype=F), 0.8 * S,
                           torch.zeros(1))  # fmt: skip
    optimizer = getattr(torch.optim, kind)(q.parameters(), lr=0.1, **options)
    slope = factor * (2 if loss == "squared" else 1)

    def update(reward=1.0):
        optimizer.zero_grad()
        y = reward + 0.9 * q(0.8 * S)[:, 0].detach()
        (slope / 2 * (q(S)[:, 0] - y).square().mean()).backward()
        optimizer.step()

    for _ in range(5):
        update()
    if kind == "AdamW":
        optimizer.state[q.weight]["exp_avg_sq"].fill_(0.04)
        optimizer.state[q.weight]["step"].fill_(1e30)
    diagnosis = qd.diagnose(q, batch, 0.9, optimizer=optimizer, loss=loss, loss_factor=factor)
    assert diagnosis.linearisation_error < 1e-6
    entries, names = optimizer.state[q.weight], ("momentum_buffer", "exp_avg")
    name = next((n for n in names if entries.get(n) is not None), None)
    columns = []
    for unit in (2.0**-600 * torch.eye(2, dtype=F))[: 2 if name else 1]:
        with torch.no_grad():
            q.weight.fill_(unit[0])
            if name:
                entries[name].fill_(unit[1])
        update(0.0)
        columns.append([q.weight.item(), *([entries[name].item()] if name else [])])
    M = torch.tensor(columns, dtype=F).T * 2.0**600
    expected = float(torch.linalg.eigvals(M).abs().max())
    assert diagnosis.stability.spectral_radius == pytest.approx(expected, rel=1e-9)
