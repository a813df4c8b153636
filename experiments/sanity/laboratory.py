"""The laboratory itself: solvers, learning, overestimation, linearised networks."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from experiments.sanity.check import Check, at_least, at_most, close, same
from qdiverge.mdp import (
    MDP,
    epsilon_greedy,
    estimator_bias,
    fitted_overestimation,
    linear_program,
    linearisation_gap,
    linearise,
    modified_policy_iteration,
    overestimation_bound,
    policy_iteration,
    policy_values,
    q_learning,
    q_value_iteration,
    train_network,
    uniform_overestimation,
    value_iteration,
    visit_rate,
)
from qdiverge.mdp.problems import (
    boyan_chain,
    cliffwalk,
    four_rooms,
    garnet,
    mountain_car,
    pendulum,
    random_gridworld,
    sparse_graph,
)

SUITE = (
    random_gridworld,
    lambda: random_gridworld(16, "random"),
    lambda: random_gridworld(64),
    lambda: random_gridworld(64, "random"),
    cliffwalk,
    pendulum,
    mountain_car,
    sparse_graph,
    four_rooms,
    garnet,
)


def solvers() -> Iterator[Check]:
    """Check that value, Q-value and policy iteration and the linear program agree."""
    for make in SUITE:
        mdp = make()
        solution = value_iteration(mdp, 1e-9)
        others = [q_value_iteration(mdp, 1e-9), modified_policy_iteration(mdp, 1e-9)]
        others += [policy_iteration(mdp)] if mdp.num_states < 2_000 else []
        gap = max(np.abs(other.values - solution.values).max() for other in others)
        yield at_most(f"{mdp.name}: VI, QVI, (M)PI differ by", gap, 4e-9)
        if mdp.num_states < 1_100:
            gap = np.abs(linear_program(mdp).values - solution.values).max()
            yield at_most(f"{mdp.name}: the linear program differs by", gap, 1e-5)
    values = value_iteration(cliffwalk(25, 0.95), 1e-12).values
    yield close("cliffwalk: V(start) = 10 γ²⁴", values[0], 10 * 0.95**24, 1e-11)
    values = policy_iteration(boyan_chain().mdp).values
    yield close("Boyan's chain: V(12) = −24 at γ = 1", values[0], -24, 1e-11)


def soft_solvers() -> Iterator[Check]:
    """Check maximum-entropy values on a gridworld."""
    mdp = random_gridworld(16)
    hard = value_iteration(mdp, 1e-11).values
    for τ in (0.1, 0.01):
        soft = value_iteration(mdp, 1e-11, temperature=τ)
        gap = soft.values - hard
        yield at_least(f"τ = {τ}: least of soft − hard values", gap.min(), 0.0)
        yield at_most(f"τ = {τ}: largest is at most τ ln A/(1−γ)", gap.max(), τ * np.log(5) / 0.05)
        again = policy_values(mdp, soft.policy, temperature=τ)
        yield at_most(
            f"τ = {τ}: the soft policy's own value differs by",
            np.abs(again - soft.values).max(),
            1e-9,
        )


def tabular_learning() -> Iterator[Check]:
    """Check that Q-learning with decaying steps reaches Q*, and that optimism explores."""
    mdp = garnet(4, 2, 2, 0.6, seed=2)
    run = q_learning(
        mdp, 8_000, learning_rate=visit_rate(0.7), explore=epsilon_greedy(1.0), num_seeds=20
    )
    q_star = value_iteration(mdp).q
    error = np.abs(run.q.mean(0) - q_star).max() / np.abs(q_star).max()
    yield at_most("8,000 steps, 20 seeds: relative error of Q", error, 0.02)
    finds_goal = {}
    for name, initial in (("optimistic", 20.0), ("zero", 0.0)):
        greedy = q_learning(
            cliffwalk(8), 4_000, initial=initial, explore=epsilon_greedy(0.0), learning_rate=0.5
        )
        finds_goal[name] = bool((greedy.q[0, :8].argmax(1) == 1).all())
    yield same(
        "cliffwalk(8), greedy from Q = 20: finds the goal's policy", finds_goal["optimistic"], True
    )


def overestimation() -> Iterator[Check]:
    """Check the bias of maxima of van Hasselt, Guez & Silver 2016."""
    rng = np.random.default_rng(0)
    for m in (2, 5, 20):
        errors = rng.normal(size=(10_000, m))
        errors -= errors.mean(1, keepdims=True)
        slack = (errors.max(1) - overestimation_bound(errors, 0.0)).min()
        yield at_least(f"m = {m}: max Q − V − √(C/(m−1)), least of 10,000", slack, -1e-12)
        tight = np.append(np.ones(m - 1), 1.0 - m)
        gap = 1 - float(overestimation_bound(tight, 0.0))
        yield close(f"m = {m}: attained where m − 1 estimates agree", gap, 0.0, 1e-12)
        uniform = rng.uniform(-1, 1, (100_000, m)).max(1)
        margin = 5 * uniform.std() / 100_000**0.5
        yield close(
            f"m = {m}: uniform errors, (m−1)/(m+1)",
            uniform.mean(),
            uniform_overestimation(m, 1.0),
            margin,
        )
        bias = estimator_bias(np.zeros(m), 10)
        yield at_least(
            f"m = {m}: single estimator's bias, in standard errors",
            bias.single / bias.single_error,
            20,
        )
        yield close(f"m = {m}: double estimator's bias", bias.double, 0.0, 5 * bias.double_error)
    for name, function, degree in (
        ("sin, degree 6", np.sin, 6),
        ("2exp(−s²), degree 6", lambda s: 2 * np.exp(-(s**2)), 6),
        ("2exp(−s²), degree 9", lambda s: 2 * np.exp(-(s**2)), 9),
    ):
        fitted = fitted_overestimation(function, degree)
        yield at_least(f"fits to {name}: mean overestimation", fitted.single.mean(), 0.1)
        ratio = abs(fitted.double.mean()) / fitted.single.mean()
        yield at_most(f"fits to {name}: double over single", ratio, 0.5)


def linearised_networks() -> Iterator[Check]:
    """Check a network against its linearisation, trained exactly side by side."""
    base = garnet(6, 3, 2, 0.9)
    observations = np.random.default_rng(0).normal(size=(6, 4))
    mdp = MDP(base.transitions, base.rewards, 0.9, base.start, observations, base.terminal)
    torch.manual_seed(0)
    linear = nn.Linear(4, 3)
    gap = linearisation_gap(
        train_network(linear, mdp, 50, 0.5), linearise(linear, mdp, 0.5).train(50)
    )
    yield at_most("linear network: ‖ΔQ − ΔQ_lin‖/‖ΔQ‖ over 50 updates", gap.max(), 1e-12)
    gaps = {}
    for width in (64, 4096):
        net = _wide(width)
        true, model = train_network(net, mdp, 40, 0.5), linearise(net, mdp, 0.5).train(40)
        gaps[width] = linearisation_gap(true, model)[-1]
    yield at_least(
        "tanh network: gap at width 64 over width 4096 (√64 in theory)", gaps[64] / gaps[4096], 4.0
    )
    steps = []
    for α in (0.02, 0.01):
        net = _wide(32)
        true, model = train_network(net, mdp, 1, α), linearise(net, mdp, α).train(1)
        steps.append(np.abs(true[1] - model[1]).max())
    yield close(
        "one update: error ratio of α and α/2 (second order: 4)", steps[0] / steps[1], 4.0, 0.2
    )


class _Wide(nn.Module):
    """One tanh layer in the NTK parametrisation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(width, 4, generator=generator))
        self.last = nn.Parameter(torch.randn(3, width, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return Q [N, 3]."""
        return torch.tanh(x @ self.first.T / 2) @ self.last.T / self.last.shape[1] ** 0.5


def _wide(width: int) -> nn.Module:
    return _Wide(width)
