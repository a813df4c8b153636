"""Many copies in one computation: parameters stacked [C, …], one batched forward and backward.

    θ_c ← θ_c + r_c step(θ_c, ∇ mean_i ℓ(Q(s_i, a_i; θ_c), y_ci)),   c = 1 … C

Copies differ in their batches, and in what a remedy changes: rate r_c, γ, bootstrap, clipping and
how the target follows. An optimiser whose step is elementwise, and linear in its learning rate,
makes all the steps at once. Sums are rounded otherwise than one by one.
"""

import copy
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.optim import SGD, Adagrad, Adam, AdamW, NAdam, RAdam, RMSprop

from qdiverge.diagnostics.allowed_actions import largest_allowed
from qdiverge.diagnostics.quiet import needs_quiet
from qdiverge.kernel.network import without_autocast
from qdiverge.rehearsal.learner import Original
from qdiverge.rehearsal.speed import sped_up, speed_up
from qdiverge.td import backup, is_evaluated_online, is_selected_online
from qdiverge.update.copies import copies_of
from qdiverge.update.td_update import FIELDS, ROW_LOSSES, Rows

ELEMENTWISE = (SGD, Adam, AdamW, RMSprop, NAdam, RAdam, Adagrad)
Parameters = dict[str, Tensor]  # name → [C, …]


def can_stack(original: Original, rows: Rows) -> bool:
    """Return whether copies of this can be stacked: one Q-network without randomness or buffers.

    Of a network that branches on its values, or in which vmap knows a step not, they cannot.
    """
    return (
        len(original.networks) == 1
        and not rows.transitions.actions.is_floating_point()
        and original.update is None
        and (original.loss, original.scheduler) == (None, None)
        and (original.rule.loss_factor, original.rule.averaging_period) == (1.0, 1)
        and type(original.optimizer) in ELEMENTWISE
        and not needs_quiet(original.networks[0])
        and {id(p) for group in original.optimizer.param_groups for p in group["params"]}
        <= {id(p) for p in original.networks[0].parameters()}
        and _is_mapped(original.networks[0], rows)
    )


@torch.no_grad()
def _is_mapped(network: nn.Module, rows: Rows) -> bool:
    """Return whether a copy of the network can be called for several parameters at once."""
    twin, s = _silent(network), rows.transitions.observations[:2]
    theta = {n: _stacked(p, 2, is_learning=False) for n, p in twin.named_parameters()}
    with without_autocast(s.device):
        try:
            several = _mapped(twin, theta, torch.stack([s, s]), 0)
        except Exception:  # whatever its own code may raise at what it does not expect
            return False
        alone = twin(s)
    return several.shape[1:] == alone.shape and torch.allclose(several[1], alone, 1e-3, 1e-4)


def _silent(network: nn.Module) -> nn.Module:
    """Return a copy without hooks, which keeps for itself what a call leaves in it."""
    return copies_of([network], [], []).networks[0]


def _mapped(module: nn.Module, theta: Parameters, s: Tensor, dim: int | None) -> Tensor:
    """Return Q of every copy, [C, N, A]."""

    def q(parameters: Parameters, s: Tensor) -> Tensor:
        values: Tensor = functional_call(module, parameters, (s,))
        return values

    return vmap(q, in_dims=(0, dim))(theta, s)


@dataclass(frozen=True, eq=False)
class _Rules:
    """What the copies differ in, [C] each."""

    rate: Tensor
    discount: Tensor
    clipping: Tensor  # inf: none
    selects_online: Tensor
    evaluates_online: Tensor
    polyak: Tensor  # nan: none
    period: Tensor  # inf: none


class Stack:
    """C copies that learn together.

    Args:
        originals: One of each copy: the same networks, optimiser, loss and speed; other rules.
    """

    def __init__(self, originals: Sequence[Original]) -> None:
        first, C = originals[0], len(originals)
        self.module = _silent(first.networks[0])
        self.loss = ROW_LOSSES[first.rule.loss]
        named = dict(first.networks[0].named_parameters())
        self.theta: Parameters = {n: _stacked(p, C, p.requires_grad) for n, p in named.items()}
        slow = (first.targets or first.networks)[0].parameters()  # a wrapper has other names
        self.slow: Parameters = {
            n: _stacked(p, C, is_learning=False) for n, p in zip(named, slow, strict=True)
        }
        self.optimizer = _of_stack(first.optimizer, named, self.theta)
        s = first.speed
        if s != 1:
            speed_up(self.optimizer, s)
        self.rules = _rules(originals, next(iter(named.values())))
        self._waited = torch.tensor(
            [o.since_copy % (o.rule.target_period or 1) / s for o in originals],
            device=self.rules.period.device,
        )

    def learn(self, rows: Sequence[Rows]) -> None:
        """Make one update of each copy, on a batch of its own."""
        batch = _joined(rows)
        y = self.targets(batch)
        q = self._values(self.theta, batch.observations, 0)
        chosen = q.gather(2, batch.actions.long()[..., None]).squeeze(2)
        losses = self.loss(chosen, y)
        if batch.weights is not None:
            losses = batch.weights * losses
        self.optimizer.zero_grad()
        losses.mean(1).sum().backward()
        self._clip()
        is_slowed = bool((self.rules.rate != 1).any())
        before = {n: p.detach().clone() for n, p in self.theta.items()
                  if p.requires_grad and is_slowed}  # fmt: skip
        self.optimizer.step()
        with torch.no_grad():
            if is_slowed:
                for name, old in before.items():
                    p = self.theta[name]
                    p.copy_(old + _like(self.rules.rate, p) * (p - old))
            self._follow()

    @torch.no_grad()
    def targets(self, batch: "_Batch") -> Tensor:
        """Return y, [C, N]."""
        r, both = self.rules, torch.stack([self.rules.selects_online, self.rules.evaluates_online])
        if bool(both.all()):
            selects = evaluates = self._values(self.theta, batch.following, 0)
        elif not bool(both.any()):
            selects = evaluates = self._values(self.slow, batch.following, 0)
        else:
            own = self._values(self.theta, batch.following, 0)
            slow = self._values(self.slow, batch.following, 0)
            selects = torch.where(r.selects_online[:, None, None], own, slow)
            evaluates = torch.where(r.evaluates_online[:, None, None], own, slow)
        best = evaluates.gather(2, selects.argmax(2, keepdim=True)).squeeze(2)
        γ = r.discount[:, None] if batch.discounts is None else batch.discounts
        return backup(batch.rewards, batch.terminated.bool(), γ, best)

    @torch.no_grad()
    def sizes(self, probe: Rows) -> list[float]:
        """Return max|Q| over the probe, of each copy."""
        with without_autocast(probe.transitions.observations.device):
            q = self._values(self.theta, probe.transitions.observations, None)
        return [largest_allowed(each, probe.transitions.actions) for each in q]

    @torch.no_grad()
    def errors(self, probe: Rows) -> list[float]:
        """Return mean |δ| over the probe, of each copy."""
        batch = _joined([probe] * len(self.rules.rate))
        with without_autocast(batch.observations.device):
            q = self._values(self.theta, batch.observations, 0)
            chosen = q.gather(2, batch.actions.long()[..., None]).squeeze(2)
            errors: list[float] = (self.targets(batch) - chosen).abs().mean(1).tolist()
        return errors

    def _values(self, theta: Parameters, observations: Tensor, dim: int | None) -> Tensor:
        return _mapped(self.module, theta, observations, dim)

    def _clip(self) -> None:
        """Scale each copy's gradient down to its largest norm."""
        if bool(torch.isinf(self.rules.clipping).all()):
            return
        own = [p.grad for p in self.theta.values() if p.grad is not None]
        norm = torch.stack([g.flatten(1).square().sum(1) for g in own]).sum(0).sqrt()
        scale = (self.rules.clipping / (norm + 1e-6)).clamp(max=1.0)
        for g in own:
            g.mul_(_like(scale, g))

    def _follow(self) -> None:
        """Move each copy's target as its rule says."""
        r = self.rules
        self._waited += 1
        is_due = self._waited >= r.period
        self._waited = torch.where(is_due, self._waited - r.period, self._waited)
        share = torch.where(torch.isnan(r.polyak), is_due.to(r.polyak), r.polyak)
        if bool((share > 0).any()):
            for name, slow in self.slow.items():
                share_of = _like(share, slow)
                moved = slow + share_of * (self.theta[name].detach() - slow)
                slow.copy_(torch.where(share_of == 1, self.theta[name].detach(), moved))


@dataclass(frozen=True, eq=False)
class _Batch:
    """One batch of every copy, [C, N, …]."""

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    following: Tensor
    terminated: Tensor
    weights: Tensor | None
    discounts: Tensor | None


def _joined(rows: Sequence[Rows]) -> _Batch:
    s, a, r, following, d = (
        torch.stack([getattr(each.transitions, name) for each in rows]) for name in FIELDS
    )
    weights, discounts = (
        None if any(x is None for x in each) else torch.stack(list(each))  # type: ignore[arg-type]
        for each in ([each.weights for each in rows], [each.discounts for each in rows])
    )
    return _Batch(s, a, r, following, d, weights, discounts)


def _stacked(p: Tensor, count: int, is_learning: bool) -> Tensor:
    whole = p.detach()[None].expand(count, *p.shape).clone()
    return nn.Parameter(whole) if is_learning else whole


def _like(share: Tensor, p: Tensor) -> Tensor:
    """Return [C] as [C, 1, …]."""
    return share.to(p).reshape(-1, *[1] * (p.ndim - 1))


def _of_stack(
    optimizer: torch.optim.Optimizer, named: dict[str, nn.Parameter], theta: Parameters
) -> torch.optim.Optimizer:
    """Return a copy of an optimiser that holds the stacked parameters, its state stacked, too."""
    own = {id(p): theta[name] for name, p in named.items()}
    twin: Any = copy.copy(optimizer)
    twin.state = defaultdict(dict)
    twin.param_groups = [
        {k: v for k, v in group.items() if k != "params"}
        | {"params": [own[id(p)] for p in group["params"] if id(p) in own]}
        for group in optimizer.param_groups
    ]
    for p in named.values():
        for key, value in optimizer.state.get(p, {}).items():
            is_whole = isinstance(value, Tensor) and value.shape == p.shape and value.ndim > 0
            stacked = _stacked(value, len(own[id(p)]), is_learning=False) if is_whole else value
            copied = stacked.clone() if isinstance(stacked, Tensor) else copy.deepcopy(stacked)
            twin.state[own[id(p)]][key] = copied
    return twin


def _rules(originals: Sequence[Original], like: Tensor) -> _Rules:
    rules = [sped_up(o.rule, o.speed) for o in originals]
    options: dict[str, Any] = {"device": like.device, "dtype": like.dtype}

    def column(values: Sequence[float | None], missing: float) -> Tensor:
        return torch.tensor([missing if v is None else v for v in values], **options)

    def flags(values: Sequence[bool]) -> Tensor:
        return torch.tensor(values, device=like.device)

    return _Rules(
        rate=column([o.rate for o in originals], 1.0),
        discount=column([r.discount for r in rules], 0.0),
        clipping=column([r.clipping for r in rules], math.inf),
        selects_online=flags([is_selected_online(r.bootstrap) for r in rules]),
        evaluates_online=flags([is_evaluated_online(r.bootstrap) for r in rules]),
        polyak=column([r.polyak for r in rules], math.nan),
        period=column(
            [None if r.target_period is None else max(1.0, r.target_period / o.speed)
             for r, o in zip(rules, originals, strict=True)], math.inf,
        ),
    )  # fmt: skip
