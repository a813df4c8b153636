"""The stage of a rehearsal: what is copied, from what it learns, and where its values end."""

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

from qdiverge.calling import own_errors
from qdiverge.checks import check_discount, check_integer, check_positive
from qdiverge.diagnostics.diagnose import rule_of
from qdiverge.diagnostics.value_bound import divergence_limit, soft_divergence_bound
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.generators import Generator
from qdiverge.kernel.network import Networks, each_of, first_parameter, module_of, unwrap
from qdiverge.rehearsal.batches import Batches, as_batches
from qdiverge.rehearsal.faithful import (
    check_loss,
    check_own,
    check_scheduler,
    check_trainable,
)
from qdiverge.rehearsal.learnable import check_learnable
from qdiverge.rehearsal.learner import Actor, Learner, Original, Policy, Update
from qdiverge.rehearsal.reservations import notes_on, notes_on_data
from qdiverge.td import Bootstrap
from qdiverge.tensor_checks import check_optimizer
from qdiverge.thing_checks import check_callable, check_instance, check_list
from qdiverge.transitions import SarsaTransitions, next_action_missing
from qdiverge.update import UpdateRule
from qdiverge.update.auditing.still_calls import check_values
from qdiverge.update.td_update import Loss

_NO_BOUND = 100.0  # times the values of now: what counts as growing without bound at γ = 1
_LOOKS = 8  # batches that a function is asked for, to see its rewards


@dataclass(frozen=True, eq=False)
class Stage:
    """All that a rehearsal needs: what is copied, from what it learns, where its values end.

    Attributes:
        original: What is copied.
        batches: What the copies learn from.
        limit: Of max|Q|.
        notes: What is to be said of it.
        is_beyond: Whether the values are beyond the bound already, or not finite.
    """

    original: Original
    batches: Batches
    limit: float
    notes: tuple[str, ...]
    is_beyond: bool = False


def stage_of(
    q_net: Networks,
    data: Any,
    *,
    optimizer: torch.optim.Optimizer,
    target: Networks | None,
    discount: float,
    rule: UpdateRule | None,
    loss: str | Loss,
    bootstrap: Bootstrap | None,
    target_period: int | None,
    polyak: float | None,
    since_copy: int,
    clipping: float | None,
    batch_size: int | None,
    reward_bound: float | None,
    policy: Policy | None,
    policy_optimizer: torch.optim.Optimizer | None,
    policy_target: Policy | None,
    policy_period: int,
    entropy_coefficient: float,
    update: Update | None,
    others: Sequence[Any],
    probe: Any,
    generators: Sequence[Generator],
    scheduler: LRScheduler | None,
) -> Stage:
    """Check the arguments of :func:`rehearse` and set the stage that they describe."""
    networks = tuple(unwrap(net)[0] for net in each_of(q_net))
    own_target = target is not None and target is not q_net
    targets = tuple(unwrap(n)[0] for n in each_of(target, "target")) if own_target else ()
    optimizer = check_optimizer("optimizer", optimizer)
    discount = check_discount(discount)
    for name, given in (("policy", policy), ("policy_target", policy_target), ("update", update)):
        if given is not None:
            check_callable(name, given, "a function")
    if policy_optimizer is not None:
        policy_optimizer = check_optimizer("policy_optimizer", policy_optimizer)
    if not isinstance(loss, str):
        check_callable("loss", loss, "a name, or a function of predictions and targets")
    if scheduler is not None:
        check_scheduler(scheduler, optimizer)
    if rule is not None:
        check_instance("rule", rule, UpdateRule)
    if isinstance(entropy_coefficient, torch.Tensor) and entropy_coefficient.requires_grad:
        raise InvalidTypeError(
            "entropy_coefficient must be a number, by which copies go on",
            got="a tensor that is learnt",
            remedy="Pass update=…, which trains it too, with it and its optimiser in others=…; or "
            "its present value, float(…), to hold it there.",
        )
    check_list("others", others)
    check_list("generators", generators)
    policy_period = check_integer("policy_period", policy_period, 1)
    since_copy = check_integer("since_copy", since_copy, 0)
    parameter = first_parameter(networks)
    batches = as_batches(data, batch_size, parameter.device, parameter.dtype, probe, generators)
    rows = batches.probe()
    if rule is None:
        named = loss if isinstance(loss, str) else "half_squared"
        rule = rule_of(
            list(networks) if len(networks) > 1 else networks[0], rows.transitions, discount, None,
            target=targets or None, optimizer=optimizer, target_period=target_period,
            polyak=polyak, loss=named, bootstrap=bootstrap,
            entropy_coefficient=entropy_coefficient, not_modelled="",
        )  # fmt: skip
        if targets and target_period is None and polyak is None and update is None:
            raise InvalidValueError(
                "a target network needs target_period or polyak: how it follows",
                got="neither",
                remedy="Pass target_period=… (updates between copies) or polyak=τ.",
            )
        if update is not None and target_period is None and polyak is None:
            rule = replace(rule, target_period=None)  # the update moves it, or nothing does
        rule = replace(rule, clipping=clipping, has_weights=rows.weights is not None)
    actor = None
    if policy is not None:
        actor = Actor(policy, policy_optimizer, policy_target, policy_period)
    _check_actor(actor, rows.transitions, update)
    original = Original(
        networks, targets, optimizer, rule, actor,
        loss=None if isinstance(loss, str) else loss, update=update, others=tuple(others),
        since_copy=since_copy, scheduler=scheduler,
    )  # fmt: skip
    notes = []
    if update is None:
        check_trainable(original)
        if original.loss is not None:
            check_loss(original.loss, rows)
        notes = [*_notes(actor), *notes_on(original)]
    if reward_bound is None:
        largest = batches.largest_reward()
        if batches.make is not None:
            looks = itertools.islice(batches.stream(0), _LOOKS)
            largest = max(float(look.transitions.rewards.abs().max()) for look in looks)
        if largest == 0:
            notes.append("No reward was seen: r_max is taken to be 1; pass reward_bound=….")
        reward_bound = largest or 1.0
    check_positive("reward_bound", reward_bound)
    learner = _copied(original)
    if update is None:
        copied = (*learner.copies.networks, *learner.copies.targets)
        check_own(copied, (*networks, *targets), rows)
        check_learnable(learner.copies.networks, rows)
        is_drawn = batches.make is not None
        notes += notes_on_data(learner.copies.networks[0], rows, is_drawn=is_drawn)
        for group in (learner.copies.networks, learner.copies.targets):
            check_values(group, rows.transitions)
    with own_errors("q_net", rows.transitions.observations):
        size = learner.size(rows)
    bound = soft_divergence_bound(rule.discount, reward_bound)
    if math.isinf(bound):
        limit = bound = _NO_BOUND * max(size, reward_bound)
        notes.append(f"γ = 1 has no bound: growing {_NO_BOUND:g}-fold counts as divergence.")
    else:
        limit = divergence_limit(bound, math.inf, rule.discount, size)
    if math.isnan(size):
        notes.append("The values are not finite already.")
    if size > bound:
        notes.append(f"max|Q| = {size:.4g} is beyond the bound {bound:.4g} already.")
    return Stage(original, batches, limit, tuple(notes), is_beyond=not size <= bound)


def _copied(original: Original) -> Learner:
    """Return a copy, or say what cannot be copied."""
    try:
        return Learner(original)
    except (TypeError, RuntimeError, copy.Error) as error:
        raise InvalidTypeError(
            "networks, target, optimiser and policy must let themselves be copied (copy.deepcopy)",
            got=f"{type(error).__name__}: {error}",
            remedy="Pass update=… and modules of plain tensors.",
        ) from error


def _check_actor(actor: Actor | None, batch: Any, update: Update | None) -> None:
    if actor is None:
        has_next = isinstance(batch, SarsaTransitions)
        if batch.actions.is_floating_point() and not has_next and update is None:
            raise next_action_missing()
    elif actor.optimizer is not None and module_of(actor.policy) is None:
        raise InvalidTypeError(
            "a policy that learns must be a module, or a method of one, to be copied",
            got=type(actor.policy).__name__,
            remedy="Pass the actor itself, or its method.",
        )


def _notes(actor: Actor | None) -> list[str]:
    if actor is not None and actor.optimizer is None:
        return ["The policy was held still: pass policy_optimizer=… where it learns."]
    return []
