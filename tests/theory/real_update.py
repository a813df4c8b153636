"""Linear Q-learning by the real torch optimiser: what every map of an update is held against."""

import copy
from dataclasses import dataclass

import torch

from qdiverge.theory.descent import Descent
from qdiverge.theory.stability import check_stability
from tests.theory.problems import F, LinearProblem

STEADY = 1 - 2**-53  # β₂ that leaves the second moments as they are
TINY = 2.0**-600  # of a displacement that they do not feel, however it grows


@dataclass(frozen=True)
class Rule:
    """An optimiser, its options, and how the target follows."""

    kind: str  # SGD, Adam, AdamW, RMSprop
    options: dict
    learning_rate: float
    period: int = 1
    polyak: float | None = None
    is_double: bool = False

    @property
    def lags(self):
        return self.period > 1 or self.polyak is not None

    @property
    def descent(self):
        o, decay = self.options, self.options.get("weight_decay", 0.0)
        if self.kind in ("Adam", "AdamW"):
            β = o["betas"][0]
            kind = {"decay": decay} if self.kind == "AdamW" else {"coupled_decay": decay}
            return Descent(self.learning_rate, momentum=β, gain=1 - β, **kind)
        μ = o.get("momentum", 0.0)
        gain = 1 - o.get("dampening", 0.0) if μ else 1.0
        nesterov = o.get("nesterov", False)
        return Descent(self.learning_rate, μ, gain, nesterov, coupled_decay=decay)


class RealUpdate:
    """A linear network under a rule; ``step`` is one update of the torch optimiser."""

    def __init__(self, problem: LinearProblem, rule: Rule, second_moments=None, weights=None):
        self.problem, self.rule = problem, rule
        size = problem.features.shape[1]
        self.second = torch.ones(size, dtype=F) if second_moments is None else second_moments
        self.sample_weights = torch.ones(len(problem.rho), dtype=F) if weights is None else weights
        self.θ = torch.nn.Parameter(torch.zeros(size, dtype=F))
        self.optimizer = getattr(torch.optim, rule.kind)(
            [self.θ], lr=rule.learning_rate, **rule.options
        )
        self.θ.grad = torch.zeros_like(self.θ)
        self.optimizer.step()  # makes the state
        self.state = self.optimizer.state[self.θ]
        if rule.kind == "RMSprop":
            self.state["square_avg"].copy_(self.second**2)
        elif rule.kind != "SGD":
            self.state["exp_avg_sq"].copy_(self.second**2)
            self.state["step"].fill_(1e30)  # no bias is left to correct
        self.target, self.num_updates = torch.zeros(size, dtype=F), 0

    @property
    def scales(self):
        """P."""
        return torch.ones_like(self.second) if self.rule.kind == "SGD" else 1 / self.second

    @property
    def buffer(self):
        names = ("momentum_buffer", "exp_avg")
        return next((self.state[n] for n in names if self.state.get(n) is not None), None)

    def set(self, θ, buffer=None, target=None):
        self.θ.data.copy_(θ)
        if self.buffer is not None:
            self.buffer.copy_(torch.zeros_like(θ) if buffer is None else buffer)
        self.target.copy_(θ if target is None else target)
        self.num_updates = 0

    def step(self, greedy=None):
        """One update; at fixed greedy actions without rewards, or the real thing."""
        p, rule = self.problem, self.rule
        bootstrap = self.target if rule.lags else self.θ.detach()
        values = p.successor_features @ bootstrap  # [N, A]
        if greedy is None:
            selects = self.θ.detach() if rule.is_double else bootstrap
            actions = (p.successor_features @ selects).argmax(1)
        else:
            actions = greedy
        best = values.gather(1, actions[:, None]).squeeze(1)
        rewards = p.rewards if greedy is None else 0.0
        errors = rewards + p.discounts * best - p.features @ self.θ.detach()
        self.θ.grad = -(p.features.T @ (p.rho * self.sample_weights * errors))
        self.optimizer.step()
        self.num_updates += 1
        if self.num_updates % rule.period == 0:
            share = 1.0 if rule.polyak is None else rule.polyak
            self.target.lerp_(self.θ.detach(), share)

    def parameter_map(self, greedy):
        """The matrix of a period (or an update) on (θ, buffer, target), column by column."""
        size = len(self.θ)
        has_buffer, has_average = self.buffer is not None, self.rule.polyak is not None
        parts = 1 + has_buffer + has_average
        columns = []
        for unit in TINY * torch.eye(parts * size, dtype=F):
            chunks = list(unit.split(size))
            θ = chunks.pop(0)
            buffer = chunks.pop(0) if has_buffer else None
            self.set(θ, buffer, chunks.pop(0) if has_average else None)
            for _ in range(self.rule.period):
                self.step(greedy)
            ends = [self.θ.detach().clone()]
            ends += [self.buffer.clone()] if has_buffer else []
            ends += [self.target.clone()] if has_average else []
            columns.append(torch.cat(ends) / TINY)
        return torch.stack(columns, 1)

    def verdict(self, greedy):
        """What qdiverge says of it."""
        p = self.problem
        K = (p.features * self.scales) @ p.features.T
        successors = (
            p.discounts[:, None, None] * (p.successor_features * self.scales) @ p.features.T
        )
        return check_stability(
            K,
            successors,
            greedy,
            p.rho,
            target_period=self.rule.period,
            polyak=self.rule.polyak,
            descent=self.rule.descent,
            sample_weights=self.sample_weights,
            is_double=self.rule.is_double,
        )

    def copy(self):
        return copy.deepcopy(self)


def random_rule(seed: int, *, has_decay: bool = True) -> Rule:
    """One of the modelled optimisers, with random options and target."""
    g = torch.Generator().manual_seed(seed)

    def pick(*choices):
        return choices[int(torch.randint(len(choices), (1,), generator=g))]

    rate, decay = pick(0.01, 0.05, 0.2, 0.5, 1.0), pick(0.0, 0.01, 0.1) if has_decay else 0.0
    kind = pick("SGD", "SGD", "SGD", "Adam", "AdamW", "RMSprop")
    if kind in ("Adam", "AdamW"):
        options = {"betas": (pick(0.5, 0.9, 0.95), STEADY), "eps": 0.0}
        decay = decay if kind == "AdamW" else 0.0  # coupled decay is preconditioned there
    elif kind == "RMSprop":
        options, decay = {"alpha": STEADY, "eps": 0.0, "momentum": pick(0.0, 0.5, 0.9)}, 0.0
    else:
        options = pick(
            {},
            {"momentum": 0.5},
            {"momentum": 0.9},
            {"momentum": 0.9, "nesterov": True},
            {"momentum": 0.8, "dampening": 0.8},
            {"momentum": 0.95, "dampening": 0.3},
        )
    target = pick(
        {}, {}, {"polyak": 0.005}, {"polyak": 0.1}, {"period": 3}, {"period": 25},
        {"polyak": 0.005, "period": 2}, {"polyak": 0.5, "period": 5},
    )  # fmt: skip
    return Rule(kind, options | {"weight_decay": decay}, rate, **target)
