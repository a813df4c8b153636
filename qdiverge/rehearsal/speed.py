"""A copy that makes s updates in one: slow divergence seen at a fraction of its cost.

    α → s α,  β → max(0, 1 − s (1 − β)) of each average (momentum, both of Adam's, RMSprop's),
    C → C/s, fractions kept,  τ → min(1, s τ)

A gradient flow θ' = −∇L is the same at any step; these are its discretisations. A step near the
largest stable one diverges at a large s by itself: confirm at a smaller one.
"""

from dataclasses import replace
from typing import Any

import torch

from qdiverge.rehearsal.learner import Learner, Original
from qdiverge.update import UpdateRule

AVERAGES = ("momentum", "alpha")


class FastLearner(Learner):
    """A learner that makes ``original.speed`` updates in one."""

    def __init__(self, original: Original) -> None:
        s, rule = original.speed, original.rule
        super().__init__(replace(original, rule=sped_up(rule, s)))
        if s == 1:
            return
        optimizers = [*self.copies.optimizers, *([self.actor.optimizer] if self.actor else [])]
        for optimizer in optimizers:
            if optimizer is not None:
                speed_up(optimizer, s)
        self.schedule.multiply(s)
        self.schedule.speed = s
        if rule.target_period is not None:
            self._period = max(1.0, rule.target_period / s)
            self._waited = (original.since_copy % rule.target_period) / s


def speed_up(optimizer: torch.optim.Optimizer, s: float) -> None:
    """Change the groups of an optimiser in place.

    >>> adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    >>> speed_up(adam, 4)
    >>> adam.param_groups[0]["lr"], [round(β, 6) for β in adam.param_groups[0]["betas"]]
    (0.04, [0.6, 0.996])
    """
    for group in optimizer.param_groups:
        group["lr"] = s * group["lr"]
        for name in AVERAGES:
            if group.get(name):
                group[name] = faster(group[name], s)
        if "betas" in group:
            group["betas"] = tuple(faster(β, s) for β in group["betas"])


def faster(β: Any, s: float) -> float:
    """Return max(0, 1 − s (1 − β)): the average that forgets in one update what β does in s.

    >>> round(faster(0.999, 16), 6), faster(0.9, 16)
    (0.984, 0.0)
    """
    return max(0.0, 1 - s * (1 - float(β)))


def sped_up(rule: UpdateRule, s: float) -> UpdateRule:
    """Return the rule with τ for s updates; the period is the learner's, since it may be broken."""
    if rule.polyak is None:
        return rule
    return replace(rule, polyak=min(1.0, s * rule.polyak))
