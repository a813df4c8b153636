"""A copy that trains: networks, targets, optimisers, and an actor where one learns beside.

    θ ← step(θ, ∇ mean_i w_i ℓ(Q(s_i, a_i), y_i)),  θ⁻ ← θ every C updates, or (1 − τ)θ⁻ + τθ
    φ ← step(φ, ∇ mean_i [α_H log π(a|s_i) − Q(s_i, a)]),  a ~ π_φ(s_i)

Nothing of the original is touched.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from qdiverge.calling import policy_parts
from qdiverge.diagnostics.noisy_weights import draw_noise, noisy_layers
from qdiverge.diagnostics.quiet import largest_value, leaves_no_trace, needs_quiet, quiet
from qdiverge.kernel.network import module_of, without_autocast
from qdiverge.rehearsal.learnable import is_still
from qdiverge.rehearsal.own_values import OwnValues
from qdiverge.rehearsal.reached import Reached, reached
from qdiverge.rehearsal.scheduled import Schedule
from qdiverge.transitions import SarsaTransitions
from qdiverge.update import UpdateRule
from qdiverge.update.copies import Copies, copies_of
from qdiverge.update.td_update import (
    LOSSES,
    Loss,
    Rows,
    TdUpdate,
    average_one,
    critic_values,
    with_next_actions,
)

Policy = Callable[[Tensor], Any]  # s → a, or (a, log π(a|s))
Update = Callable[[Copies, Rows], object]  # of the networks, in place
Take = Callable[[Copies, Mapping[str, Any]], object]  # changes fields of the copies' rule, in place


@dataclass(frozen=True, eq=False)
class Actor:
    """What acts, and how it learns.

    Attributes:
        policy: s → a, or (a, log π): a module or a bound method of one where it learns.
        optimizer: Its optimiser; None: it stays as it is.
        target: Where a' comes from; None: from ``policy``.
        period: Updates of the critics to one of the actor, and to one of the targets.
    """

    policy: Policy
    optimizer: torch.optim.Optimizer | None = None
    target: Policy | None = None
    period: int = 1


@dataclass(frozen=True, eq=False)
class Original:
    """What is copied, and the rule by which the copies train.

    Attributes:
        networks: The Q-network, or the critics.
        targets: Theirs; () where there is none.
        optimizer: Of ``networks``.
        rule: γ, loss, bootstrap, target, entropy, clipping.
        actor: Of critics.
        loss: In place of the rule's, a callable of predictions and targets.
        update: In place of all of it, makes one update of the copies but for their target.
        others: What ``update`` needs besides, copied along: ``copies.others``.
        since_copy: Updates since the target was last copied.
        rate: What the learning rates of ``optimizer`` are multiplied by.
        speed: s of a copy that makes s updates in one, see :mod:`qdiverge.rehearsal.speed`.
        take: Where ``update`` is given, changes fields of the copies' rule beside the optimiser's
            learning rate; None: nothing can.
        taken: What it is to change.
        scheduler: Sets the learning rates of ``optimizer`` anew after each update.
    """

    networks: tuple[nn.Module, ...]
    targets: tuple[nn.Module, ...]
    optimizer: torch.optim.Optimizer
    rule: UpdateRule
    actor: Actor | None = None
    loss: Loss | None = None
    update: Update | None = None
    others: tuple[Any, ...] = ()
    since_copy: int = 0
    rate: float = 1.0
    speed: float = 1.0
    take: Take | None = None
    taken: Mapping[str, Any] = field(default_factory=dict)
    scheduler: LRScheduler | None = None


def reached_by(original: Original) -> Reached:
    """Look what the caller's own functions in an update may draw by, or change."""
    functions: list[Any] = [original.update, original.loss]
    if (actor := original.actor) is not None:
        functions += [f for f in (actor.policy, actor.target) if module_of(f) is None]
    own = [each for each in functions if each is not None]
    return reached(*own, name="a function in an update")


class Learner:
    """A copy of an :class:`Original`, which makes updates.

    Args:
        original: Left untouched.

    Attributes:
        reached: What the caller's functions in it reach: each copy has values of its own there.
    """

    def __init__(self, original: Original) -> None:
        rule, actor = original.rule, original.actor
        acting = () if actor is None else (actor.policy, actor.optimizer, actor.target)
        copies = copies_of(
            original.networks, original.targets, [original.optimizer],
            others=(*original.others, original.scheduler, *acting),
        )  # fmt: skip
        num_own = len(original.others)
        self.copies = replace(copies, others=copies.others[:num_own])
        copied_scheduler, *copied_acting = copies.others[num_own:]
        if not self.copies.targets and rule.lags:  # a remedy: a target where none was
            again = copies_of(self.copies.networks, [], [])
            self.copies = replace(self.copies, targets=again.networks)
        self.schedule = Schedule(self.copies.optimizers[0], copied_scheduler, original.rate)
        if original.take is not None and original.taken:
            original.take(self.copies, original.taken)
        self.rule, self.number = rule, 0
        self.actor = None
        if actor is not None:
            policy, optimizer, slow = copied_acting
            self.actor = Actor(policy, optimizer, slow, actor.period)
        self.td = TdUpdate(
            rule.discount,
            original.loss or LOSSES[rule.loss],
            rule.bootstrap,
            max_grad_norm=rule.clipping,
            factor=rule.loss_factor,
        )
        self._update = original.update
        self.reached = reached_by(original)
        self._own = OwnValues(self.reached)
        period = rule.target_period or math.inf
        self._waited, self._period = original.since_copy % period, period
        self._moves = any(map(needs_quiet, self.copies.networks))
        self._is_tried = self._moves
        both = (*self.copies.networks, *self.copies.targets)
        self._noisy = [network for network in both if noisy_layers(network)]
        self._is_noise_known = not self._noisy

    def learn(self, rows: Rows) -> None:
        """Make one update."""
        with self._own:
            self._learn(rows)

    def _learn(self, rows: Rows) -> None:
        self.number += 1
        if self._update is not None:
            self._update(self.copies, rows)
        else:
            self._draw(rows)
            self.td(self.copies, self.with_next_actions(rows))
        self.schedule.go_on()
        is_due = self.actor is None or self.number % self.actor.period == 0
        if self.actor is not None and self.actor.optimizer is not None and is_due:
            self._improve(rows)
        if is_due:
            self._follow()

    def _draw(self, rows: Rows) -> None:
        """Draw noise for each network that does not draw by itself in every call."""
        if not self._is_noise_known:
            self._noisy = [each for each in self._noisy if is_still(each, rows)]
            self._is_noise_known = True
        for network in self._noisy:
            draw_noise(network)

    def size(self, probe: Rows) -> float:
        """Return max|Q| over the probe: every action of a Q-network, (s_i, a_i) of critics."""
        batch = probe.transitions
        self._try(probe)
        with without_autocast(batch.observations.device):
            return largest_value(
                self.copies.networks, batch.observations, batch.actions, self._moves
            )

    def _try(self, probe: Rows) -> None:
        """See once whether a look draws, as that of a network with noise of its own does."""
        if self._is_tried:
            return
        batch, self._is_tried = probe.transitions, True
        inputs = [batch.observations[:2]]
        inputs += [batch.actions[:2]] if batch.actions.is_floating_point() else []
        self._moves = not all(leaves_no_trace(each, *inputs) for each in self.copies.networks)

    @torch.no_grad()
    def error(self, probe: Rows) -> float:
        """Return mean |δ| over the probe, of the first critic; NaN where no one says its a'."""
        is_critic = probe.transitions.actions.is_floating_point()
        if is_critic and self.actor is None and not isinstance(probe.transitions, SarsaTransitions):
            return math.nan
        self._try(probe)
        with ExitStack() as stack:  # a look must not move what the copy is to share with the run
            stack.enter_context(without_autocast(probe.transitions.observations.device))
            stack.enter_context(OwnValues(self.reached))
            for network in (*self.copies.networks, *self.copies.targets) if self._moves else ():
                stack.enter_context(quiet(network))
            rows = self.with_next_actions(probe)
            q = self.td.predictions(self.copies, rows)[0]
            return float((self.td.targets(self.copies, rows) - q).abs().mean())

    def with_next_actions(self, rows: Rows) -> Rows:
        """Return a critic's batch with a' = π(s'), its entropy in the rewards."""
        batch, actor = rows.transitions, self.actor
        if actor is None or not batch.actions.is_floating_point():
            return rows
        with torch.no_grad():
            answer = (actor.target or actor.policy)(batch.next_observations)
        γ = self.rule.discount if rows.discounts is None else rows.discounts
        η = self.rule.entropy_coefficient
        return replace(rows, transitions=with_next_actions(batch, answer, γ, η))

    def _improve(self, rows: Rows) -> None:
        """Let the actor take its step."""
        assert self.actor is not None
        assert self.actor.optimizer is not None
        s = rows.transitions.observations
        actions, log_probs = policy_parts(self.actor.policy(s), len(s))
        values = critic_values(self.copies.networks, s, actions)
        if log_probs is None:  # DDPG and TD3 climb the first critic
            loss = -values[0].mean()
        else:  # SAC the least
            value = torch.stack(values).amin(0)
            loss = (self.rule.entropy_coefficient * log_probs - value).mean()
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()

    def _follow(self) -> None:
        """Move the targets, as the rule says."""
        pairs: list[tuple[Any, Any]] = list(
            zip(self.copies.targets, self.copies.networks, strict=False)
        )
        if self.actor is not None and (slow := module_of(self.actor.target)) is not None:
            pairs.append((slow, module_of(self.actor.policy)))
        if self.rule.polyak is not None:
            if self.actor is None and self.number % self.rule.averaging_period:
                return
            for slow, online in pairs:
                average_one(slow, online, self.rule.polyak)
            return
        self._waited += 1
        if self._waited >= self._period:
            self._waited -= self._period
            for slow, online in pairs:
                average_one(slow, online, 1.0)
