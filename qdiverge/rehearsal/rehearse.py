"""``qd.rehearse``: train copies on the data at hand, and see whether their values stay."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.optim.lr_scheduler import LRScheduler

from qdiverge.calling import own_errors
from qdiverge.checks import LARGEST_SEED, check_between, check_integer
from qdiverge.generators import Generator
from qdiverge.kernel.network import Networks
from qdiverge.rehearsal.learner import Learner, Original, Policy, Update
from qdiverge.rehearsal.left_alone import left_alone
from qdiverge.rehearsal.result import Rehearsal
from qdiverge.rehearsal.run_ahead import Ahead, run_ahead, run_stacked
from qdiverge.rehearsal.stage import Stage, stage_of
from qdiverge.td import Bootstrap
from qdiverge.update import UpdateExponent, UpdateRule, update_exponent
from qdiverge.update.td_update import Loss


@torch.inference_mode(mode=False)
def rehearse(
    q_net: Networks,
    data: Any,
    *,
    optimizer: torch.optim.Optimizer,
    target: Networks | None = None,
    discount: float = 0.99,
    rule: UpdateRule | None = None,
    loss: str | Loss = "huber",
    bootstrap: Bootstrap | None = None,
    target_period: int | None = None,
    polyak: float | None = None,
    since_copy: int = 0,
    clipping: float | None = None,
    batch_size: int | None = None,
    reward_bound: float | None = None,
    policy: Policy | None = None,
    policy_optimizer: torch.optim.Optimizer | None = None,
    policy_target: Policy | None = None,
    policy_period: int = 1,
    entropy_coefficient: float = 0.0,
    update: Update | None = None,
    others: Sequence[Any] = (),
    probe: Any = None,
    generators: Sequence[Generator] = (),
    scheduler: LRScheduler | None = None,
    num_updates: int = 100,
    num_orders: int = 3,
    speed: float = 1.0,
    seed: int | None = 0,
    is_stacked: bool = False,
) -> Rehearsal:
    """Run copies of a Q-network ahead, and tell whether their values leave what can be earned.

    Copies of networks, target and optimiser (class, groups, state) train on the data with the run's
    own rule, each in an order of its own; one diverges whose max|Q| passes 5/4 of r_max/(1 − γ).
    What is passed in stays as it is, to the bit: parameters, optimiser state, buffers, random
    generators, and what a function of ``data``, an ``update`` or a ``loss`` counts by and writes
    into, but for lists and arrays of more than 131,072 entries. Hooks are not called.
    Inside ``torch.autocast`` the copies' updates are cast as a run's would be; called outside of
    it, copies of a run that casts train in full precision.

    How often it is right is measured by ``python -m experiments foresight``.

    Args:
        q_net: Called as ``q_net(observations)``; or one critic or several.
        data: Transitions, of which batches of ``batch_size`` are drawn; a list of batches, gone
            through as they came, then in other orders; or a function that returns a batch and does
            not move the run's own generators.
        optimizer: What trains ``q_net``.
        target: The network that makes the bootstrap target.
        discount: γ.
        rule: All of the update in one record, in place of what is said of it here.
        loss: "huber", "half_squared", "squared" (torch's ``mse_loss``), or a callable of
            predictions and targets that averages.
        bootstrap: See :mod:`qdiverge.td`; None: "target_q", or "q" without a target.
        target_period: C, updates between two copies of the target.
        polyak: τ of an averaged target.
        since_copy: Updates since the last copy.
        clipping: Largest norm of the gradient; of one clipped by value pass ``update``.
        batch_size: Of drawn batches; the run's own, since smaller ones diverge otherwise.
        reward_bound: r_max; None: the largest |r| of the data.
        policy: s' → a' or (a', log π), of critics whose batches have no ``next_actions``.
        policy_optimizer: The actor's; None: the policy stays as it is, which misses divergence
            that it would take part in.
        policy_target: Where a' comes from, as in DDPG and TD3; None: from ``policy``.
        policy_period: Updates of the critics to one of actor and targets, 2 in TD3.
        entropy_coefficient: α_H of a soft critic.
        update: Makes one update of any other rule on the copies it is given, as
            ``update(copies, rows)``; the target still follows by ``target_period`` or ``polyak``,
            if one of them is given.
        others: What ``update`` needs besides, copied along into ``copies.others``.
        probe: Transitions to watch the values on; None: 64 of the data, or a function's first.
        generators: By which a function of ``data`` draws beside the global ones, such as a
            replay's own ``numpy.random.Generator``; each order seeds them, and they are put back.
            Those that it reaches by its closure, its globals or its ``self`` are found.
        scheduler: Of the optimiser's learning rates, where it steps after each update.
        num_updates: Of the run, to look ahead.
        num_orders: Copies, each with another order of batches; the verdict is by majority.
        speed: s: each copy makes s updates in one, see :mod:`qdiverge.rehearsal.speed`.
        seed: Of the orders; None: the first is the run's own, given batches as they came and random
            generators as they stand, and the others are seeded from 0.
        is_stacked: All copies in one computation where that can be: several times faster, and
            rounded otherwise than the run.

    Raises:
        InvalidValueError: an argument is out of range, a target of which nobody says how it
            follows, or a critic of which nobody says a'.
        InvalidTypeError: an optimiser or a learning policy that cannot be copied; or without
            ``update`` a network of a distribution (C51, QR-DQN), of noise that nothing draws, one
            that reaches the original's parameters, or an optimiser whose step was replaced.

    >>> from qdiverge.transitions import Transitions
    >>> q_net = torch.nn.Linear(1, 1, bias=False)  # w → 2w: s = 1 leads to s' = 2
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    >>> w_to_2w = Transitions(s, a, torch.zeros(1), 2 * s, torch.zeros(1))
    >>> sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    >>> ahead = rehearse(q_net, w_to_2w, optimizer=sgd, discount=0.9, loss="half_squared",
    ...                  reward_bound=1.0)
    >>> ahead.diverges, ahead.update  # 1.08^k > 5/4 · 10 at k = 33
    (True, 33)
    >>> q_net.weight.item()
    1.0
    """
    stage = stage_of(
        q_net, data, optimizer=optimizer, target=target, discount=discount, rule=rule, loss=loss,
        bootstrap=bootstrap, target_period=target_period, polyak=polyak, since_copy=since_copy,
        clipping=clipping, batch_size=batch_size, reward_bound=reward_bound, policy=policy,
        policy_optimizer=policy_optimizer, policy_target=policy_target,
        policy_period=policy_period, entropy_coefficient=entropy_coefficient, update=update,
        others=others, probe=probe, generators=generators, scheduler=scheduler,
    )  # fmt: skip
    return rehearsed(
        stage, num_updates=num_updates, num_orders=num_orders, speed=speed, seed=seed,
        is_stacked=is_stacked,
    )  # fmt: skip


@torch.inference_mode(mode=False)
def rehearsed(
    stage: Stage,
    *,
    num_updates: int,
    num_orders: int,
    speed: float = 1.0,
    seed: int | None = 0,
    is_stacked: bool = True,
) -> Rehearsal:
    """Run copies ahead, from a stage that is set."""
    (rehearsal,) = rehearsals(
        [stage], num_updates=num_updates, num_orders=num_orders, speed=speed, seed=seed,
        is_stacked=is_stacked,
    )  # fmt: skip
    return rehearsal


def rehearsals(
    stages: Sequence[Stage],
    *,
    num_updates: int,
    num_orders: int,
    speed: float = 1.0,
    seed: int | None = 0,
    is_stacked: bool = True,
) -> list[Rehearsal]:
    """Run copies of several stages ahead that differ in their rules alone.

    Args:
        stages: Of the same networks and data.
        num_updates: Of the run.
        num_orders: Copies of each.
        speed: Updates of the run in one of theirs.
        seed: Of the orders, the same for each stage; None: the first is the run's own.
        is_stacked: In one computation where that can be: faster, and rounded otherwise.
    """
    num_updates = check_integer("num_updates", num_updates, 1)
    num_orders = check_integer("num_orders", num_orders, 1)
    if seed is not None:
        seed = check_integer("seed", seed, 0, LARGEST_SEED - num_orders)
    speed = check_between("speed", speed, 1, math.inf, "[)")
    first = stages[0]
    originals = [replace(stage.original, speed=speed) for stage in stages]
    each = [original for original in originals for _ in range(num_orders)]
    orders = [None, *range(num_orders - 1)] if seed is None else range(seed, seed + num_orders)
    seeds = [order for _ in originals for order in orders]
    options: dict[str, Any] = {"limit": first.limit, "num_updates": num_updates}
    with own_errors("the copies"), left_alone(first.original):
        if is_stacked:
            runs = run_stacked(each, first.batches, **options, seeds=seeds)
        else:
            runs = [run_ahead(o, first.batches, **options, seed=k)
                    for o, k in zip(each, seeds, strict=True)]  # fmt: skip
    groups = [runs[i : i + num_orders] for i in range(0, len(runs), num_orders)]
    return [_record(s, o, g, num_updates)
            for s, o, g in zip(stages, originals, groups, strict=True)]  # fmt: skip


def _record(stage: Stage, original: Original, runs: list[Ahead], num_updates: int) -> Rehearsal:
    sizes = np.full((len(runs), math.ceil(num_updates / original.speed)), np.nan)
    for row, run in zip(sizes, runs, strict=True):
        row[: len(run.sizes)] = run.sizes
    errors = [run.error_after for run in runs if run.passed is None]
    return Rehearsal(
        rule=original.rule,
        limit=stage.limit,
        num_updates=num_updates,
        speed=original.speed,
        q_abs_max=sizes,
        passed=tuple(run.passed for run in runs),
        td_error_before=runs[0].error_before,
        td_error_after=statistics.median(errors) if errors else math.nan,
        notes=stage.notes,
        find_exponent=partial(
            _exponent, Learner(replace(original, update=None, others=(), take=None)), stage
        ),
    )


def _exponent(learner: Learner, stage: Stage) -> UpdateExponent:
    """Return the exponent of the update on the first batch, from where the rehearsal began."""
    rows, rule = next(stage.batches.stream(0)), learner.rule
    lags = bool(learner.copies.targets)
    return update_exponent(
        learner.copies.networks,
        learner.with_next_actions(rows).transitions,
        optimizer=learner.copies.optimizers,
        target=learner.copies.targets or None,
        discount=rule.discount,
        loss=stage.original.loss or rule.loss,
        bootstrap=rule.bootstrap,
        target_period=rule.target_period if lags else None,
        polyak=rule.polyak if lags else None,
        max_grad_norm=rule.clipping,
    )
