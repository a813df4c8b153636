"""Verdicts of ``diagnose`` against real runs: random optimisers, losses, targets, weights, critics.

Linear networks, whose kernel stays: what a verdict leaves out is then the second moments alone.
"""

import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

import qdiverge as qd
from qdiverge.diagnostics.diagnose import rule_of

F = torch.float64
DISCOUNT = 0.95
LOSSES = {
    "half_squared": lambda q, y: (q - y) ** 2 / 2,
    "squared": lambda q, y: (q - y) ** 2,
    "huber": lambda q, y: smooth_l1_loss(q, y, reduction="none"),
}
OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "SGD": ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.8, "dampening": 0.5}, {"weight_decay": 0.05},
            {"momentum": 0.5, "weight_decay": 0.01}),
    "Adam": ({}, {"betas": (0.5, 0.9)}),
    "AdamW": ({"weight_decay": 0.0}, {"weight_decay": 0.1}),
    "RMSprop": ({}, {"momentum": 0.9}),
}  # fmt: skip
TARGETS: tuple[dict[str, Any], ...] = (
    {}, {"target_period": 3}, {"target_period": 20}, {"polyak": 0.05}, {"polyak": 0.5},
    {"polyak": 0.1, "averaging_period": 3},
)  # fmt: skip


class Critic(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.w = nn.Parameter(torch.randn(size, dtype=F))

    def forward(self, observations, actions):
        return observations @ self.w


@dataclass
class Case:
    """A problem, and a loop that trains on it; everything is drawn from one seed."""

    seed: int

    def __post_init__(self):
        generator = torch.Generator().manual_seed(self.seed)

        def pick(*choices):
            return choices[int(torch.randint(len(choices), (1,), generator=generator))]

        torch.manual_seed(self.seed)
        size, features, actions = pick(4, 6), pick(3, 6, 30), pick(1, 2, 3)
        self.is_critic = pick(False, False, False, True)
        scale = pick(0.1, 0.3, 0.8, 1.2, 2.0)
        self.S = torch.randn(size, features, dtype=F)
        self.after = scale * (0.6 * self.S + 0.6 * torch.randn(size, features, dtype=F))
        self.r, self.d = torch.randn(size, dtype=F), (torch.rand(size) < 0.2).to(F)
        kind = pick("SGD", "SGD", "SGD", "Adam", "AdamW", "RMSprop")
        step = pick(0.003, 0.01, 0.05, 0.2, 1.0) * (1 if kind == "SGD" else 0.1)
        self.loss, self.factor = pick(*LOSSES), pick(1.0, 1.0, 0.25, 4.0)
        self.target = pick(*TARGETS)
        bootstraps = ("target_q", "target_q", "q") + (() if self.is_critic else ("double_q",) * 2)
        self.bootstrap = pick(*bootstraps) if self.target else "q"
        self.weights = pick(None, 0.1 + 2 * torch.rand(size, dtype=F))
        self.discounts = pick(None, DISCOUNT ** torch.randint(1, 4, (size,)).to(F))
        self.clipping = pick(None, None, None, 1.0)
        self.a = torch.randint(actions, (size,))
        if self.is_critic:
            self.nets: list[nn.Module] = [Critic(features) for _ in range(pick(1, 2))]
        else:
            self.nets = [nn.Linear(features, actions, dtype=F)]
        self.slow, self.number = copy.deepcopy(self.nets), 0
        self.parameters = [p for net in self.nets for p in net.parameters()]
        self.optimizer = getattr(torch.optim, kind)(
            self.parameters, lr=step, **pick(*OPTIONS[kind])
        )

    def goal(self):
        if self.is_critic:
            asked = self.slow if self.bootstrap == "target_q" else self.nets
            value = torch.stack([net(self.after, None) for net in asked]).amin(0)
        else:
            evaluates = self.nets[0] if self.bootstrap == "q" else self.slow[0]
            selects = self.slow[0] if self.bootstrap == "target_q" else self.nets[0]
            best = selects(self.after).argmax(1)
            value = evaluates(self.after).gather(1, best[:, None])[:, 0]
        discounts = DISCOUNT if self.discounts is None else self.discounts
        return (self.r + discounts * (1 - self.d) * value).detach()

    def predictions(self):
        if self.is_critic:
            return [net(self.S, None) for net in self.nets]
        return [self.nets[0](self.S).gather(1, self.a[:, None])[:, 0]]

    def update(self):
        y, weights = self.goal(), 1 if self.weights is None else self.weights
        self.optimizer.zero_grad()
        each = [(weights * LOSSES[self.loss](q, y)).mean() for q in self.predictions()]
        (self.factor * torch.stack(each).sum()).backward()
        if self.clipping is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clipping)
        self.optimizer.step()
        self.number += 1
        period = self.target.get("target_period", self.target.get("averaging_period", 1))
        if self.target and self.number % period == 0:
            for slow, net in zip(self.slow, self.nets, strict=True):
                for p, q in zip(slow.parameters(), net.parameters(), strict=True):
                    p.data.lerp_(q.data, self.target.get("polyak", 1.0))

    def verdict(self):
        batch = {
            "obs": self.S, "rewards": self.r, "next_obs": self.after, "dones": self.d,
            "actions": self.S[:, :1] if self.is_critic else self.a, "weights": self.weights,
            "discounts": self.discounts, "next_actions": self.after[:, :1],
        }  # fmt: skip
        batch = {name: value for name, value in batch.items() if value is not None}
        network = self.nets if self.is_critic else self.nets[0]
        target = (self.slow if self.is_critic else self.slow[0]) if self.target else None
        follows = {"target_period": None, "polyak": None} | self.target
        every = follows.pop("averaging_period", 1)
        rule = rule_of(
            network, batch, DISCOUNT, None, target=target, optimizer=self.optimizer, loss=self.loss,
            loss_factor=self.factor, bootstrap=self.bootstrap, entropy_coefficient=0.0,
            not_modelled="", **follows,
        )  # fmt: skip
        rule = replace(rule, averaging_period=every, clipping=self.clipping)
        return qd.diagnose(
            network, batch, optimizer=self.optimizer, target=target, rule=rule
        ).stability

    def size(self):
        with torch.no_grad():
            return max(float(q.abs().max()) for q in self.predictions())

    def sizes(self, num_updates):
        """max|Q| after each update of a run, until it is beyond all doubt."""
        sizes = [self.size()]
        for _ in range(num_updates):
            self.update()
            sizes.append(self.size())
            if not sizes[-1] < 1e12:
                return sizes, True
        return sizes, False


@pytest.mark.parametrize("seed", range(40))
def test_what_is_certified_stays_and_what_is_divergent_goes_on_growing(seed):
    case = Case(seed)
    for _ in range(60):  # past the first second moments, and at a copy
        case.update()
    if not case.size() < 1e9:
        return
    report = case.verdict()
    assert report.verdict in ("certified", "divergent", "undecided")
    if report.verdict == "certified":
        sizes, is_gone = case.sizes(1500)
        assert not is_gone
        assert max(sizes[-300:]) < 3 * max(1.0, *sizes[:600])
    elif report.verdict == "divergent":
        sizes, is_gone = case.sizes(6000)
        assert is_gone or max(sizes[-1500:]) > 1.05 * max(sizes[1500:4500])
