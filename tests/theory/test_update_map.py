"""The linearised update against the real optimiser's: its map, and what it comes to."""

import math
from dataclasses import replace

import pytest
import torch

from tests.theory.problems import F, random_problem
from tests.theory.real_update import TINY, RealUpdate, Rule, random_rule


def real(seed, rule, **options):
    problem = random_problem(seed, **options)
    g = torch.Generator().manual_seed(seed + 1)
    size = problem.features.shape[1]
    second = 0.3 + torch.rand(size, generator=g, dtype=F)
    weights = 0.1 + torch.rand(len(problem.rho), generator=g, dtype=F)
    return RealUpdate(problem, rule, second, weights)


@pytest.mark.parametrize("seed", range(60))
def test_the_radius_is_that_of_the_parameters_under_the_real_optimiser(seed):
    update = real(seed, random_rule(seed), num_actions=2, size=6, num_features=4)
    greedy = torch.arange(6) % 2
    report = update.verdict(greedy)
    expected = float(torch.linalg.eigvals(update.parameter_map(greedy)).abs().max())
    assert report.spectral_radius == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_certified_shrinks_and_what_is_divergent_grows(seed):
    """With rewards, under the real optimiser, while the greedy actions switch as they like."""
    rule = random_rule(10_000 + seed)
    scale, actions = (0.2, 0.5, 1.0, 2.0)[seed % 4], 1 + seed % 3
    update = real(seed, rule, num_actions=actions, size=5, num_features=40, scale=scale)
    greedy = torch.zeros(5, dtype=torch.int64)
    report = update.verdict(greedy)
    if report.verdict == "certified":
        assert_never_grows(update, seed)
    elif report.verdict == "divergent":
        assert grows(update, report)


@pytest.mark.parametrize("target", [{}, {"period": 20}, {"polyak": 0.05}])
@pytest.mark.parametrize("options", [{}, {"momentum": 0.5}, {"momentum": 0.9, "nesterov": True}])
def test_small_steps_are_certified_with_momentum_too_and_never_grow(options, target):
    for seed in range(4):
        rule = Rule("SGD", options, 0.0001, **target)
        update = real(seed, rule, num_actions=3, size=5, num_features=40, scale=0.1)
        report = update.verdict(torch.zeros(5, dtype=torch.int64))
        assert report.verdict == "certified"
        assert_never_grows(update, seed)


def assert_never_grows(update, seed, num_updates=600):
    """From far out, in any direction, with a velocity: the TD errors of the end are the least."""
    g, size = torch.Generator().manual_seed(seed), len(update.θ)
    update.set(*(1e4 * torch.randn(size, generator=g, dtype=F) for _ in range(2)))
    sizes = []
    for _ in range(num_updates):
        update.step()
        sizes.append(float(update.problem.td_errors(update.θ.detach()).abs().max()))
    assert all(math.isfinite(size) for size in sizes)
    assert max(sizes[-100:]) <= 1.001 * max(sizes[:200])


def grows(update, report):
    """Start on the growing mode at the actions that it keeps, either sign: far out, beyond what
    rewards matter; or, where second moments would feel that, without rewards and next to nothing.
    """
    kept = report.divergent_actions
    M = update.parameter_map(kept)
    eigenvalues, vectors = torch.linalg.eig(M)
    largest = eigenvalues.abs().argmax()
    radius, size = float(eigenvalues[largest].abs()), len(update.θ)
    assert radius > 1
    rounds = max(1, min(30, int(40 / math.log10(max(radius, 1.01)))))
    is_adaptive = update.rule.kind != "SGD"
    if is_adaptive:
        update.problem.rewards.zero_()
    far = TINY if is_adaptive else 1e6
    for direction in (f(vectors[:, largest]) for f in (torch.real, torch.imag)):
        for sign in (far, -far):
            parts = list((sign * direction).split(size))
            has_average = update.rule.polyak is not None
            update.set(
                parts[0],
                parts[1] if update.buffer is not None else None,
                parts[-1] if has_average else None,
            )
            start = float(update.θ.detach().abs().max())
            for _ in range(rounds * update.rule.period):
                update.step()
            if float(update.θ.detach().abs().max()) > 0.5 * start * radius**rounds > 0.5 * start:
                return True
    return False


TARGETS = (
    {}, {"period": 3}, {"period": 40}, {"polyak": 0.05}, {"polyak": 0.005, "period": 2},
    {"polyak": 0.5, "period": 7},
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(12))
def test_the_norm_of_the_momentum_certificate_shrinks_at_every_step(seed, target):
    options = (
        {"momentum": 0.5},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.8, "dampening": 0.8},
    )
    rule = Rule("SGD", options[seed % 3], (1e-4, 1e-3)[seed % 2], **target)
    update = real(seed, rule, num_actions=2 + seed % 3, size=5, num_features=40, scale=0.1)
    certificate = update.verdict(torch.zeros(5, dtype=torch.int64)).certificate
    assert certificate.holds or rule.learning_rate > 1e-4
    if certificate.holds:
        assert_norm_shrinks(update, certificate, seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_a_thousand_updates_certified_with_momentum_and_a_target_shrink(block):
    """At nearly the largest certified step, of every optimiser with momentum and kind of target."""
    certified = {"copied": 0, "averaged": 0, "averaged now and then": 0}
    seed = 1_000_000 * (block + 1)
    while min(certified.values()) < 35:
        seed += 1
        rule, greedy = random_rule(seed, has_decay=False), torch.zeros(5, dtype=torch.int64)
        if not (rule.lags and rule.descent.momentum):
            continue
        scale, actions = (0.1, 0.2, 0.5)[seed // 3 % 3], 2 + seed % 2
        for halvings in range(24):
            tried = replace(rule, learning_rate=2.0**-halvings)
            update = real(seed, tried, num_actions=actions, size=5, num_features=40, scale=scale)
            if (report := update.verdict(greedy)).certificate.holds:
                break
        else:
            continue
        assert report.verdict == "certified"
        kind = "copied" if rule.polyak is None else "averaged"
        certified[kind + (" now and then" if rule.polyak and rule.period > 1 else "")] += 1
        assert_norm_shrinks(update, report.certificate, seed)


def assert_norm_shrinks(update, certificate, seed, num_periods=30):
    """‖(ε, u)‖_v, ε the TD errors at θ + cv and v = PJᵀDu, while the greedy actions switch.

    With an averaged target ‖(ε, u, m)‖_v, ε against the target's own values and θ − θ̄ = hPJᵀDm.
    """
    g, rule, d = torch.Generator().manual_seed(seed), update.rule, update.rule.descent
    p, v, modulus = update.problem, certificate.bound.weights, certificate.modulus
    D, size = p.rho * update.sample_weights, len(p.rho)
    h, is_averaged = d.learning_rate * d.total_gain, rule.polyak is not None
    u, m = (1e4 * torch.randn(size, generator=g, dtype=F) for _ in range(2))
    θ = 1e3 * torch.randn(len(update.θ), generator=g, dtype=F)

    def moved(coefficients):
        return update.scales * (p.features.T @ (D * coefficients))

    held = moved(u) if rule.kind == "RMSprop" else moved(u) / update.scales
    update.set(θ, -held, θ - h * moved(m) if is_averaged else θ)

    def norm():
        now = update.θ.detach()
        ahead = now + d.learning_rate * d.lead * moved(u)
        errors = p.td_errors(ahead, update.target if is_averaged else ahead)
        return float((torch.cat([errors, u, *([m] if is_averaged else [])]).abs() / v).max())

    first = before = norm()
    for _ in range(num_periods):
        for _ in range(rule.period):
            errors = p.td_errors(update.θ.detach(), update.target if rule.lags else None)
            m = m + d.learning_rate / h * (d.direct * errors + d.carried * u)
            update.step()
            u = d.momentum * u + d.gain * errors
        if is_averaged:
            m = (1 - rule.polyak) * m
        after = norm()
        assert after <= modulus * before * (1 + 1e-9) + 1e-12 * first
        before = after
