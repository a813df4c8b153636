"""Where a run is in its linear system: values, velocities and decay, in prediction space."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import functional_call

from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.kernel.matvec import pull_and_push
from qdiverge.td import bootstrap_weights, is_evaluated_online, is_selected_online, values_of
from qdiverge.theory.path_from_here import Start, grows_from
from qdiverge.update import UpdateRule
from qdiverge.update.real_step import Step, velocity_of

Push = Callable[[Step], Tensor]


def path_from_here(
    moment: Moment, rule: UpdateRule, K: Tensor, successors: Tensor, D: Tensor
) -> tuple[bool, int]:
    """Return whether the linear system grows from the present state, and the updates looked at.

    Args:
        moment: The networks, the batch, the optimiser.
        rule: The update; where it bounds the errors, they are followed as if it did not.
        K: kernel of all critics ``[nN, nN]``.
        successors: K' of every action, or of every critic in one's place, ``[nN, A, nN]``.
        D: weights ``[nN]``, as if no error were clipped.
    """
    lags = rule.is_evaluated_by_target
    return grows_from(
        start_of(moment, rule),
        K,
        successors,
        D,
        rule.descent,
        _period(rule),
        rule.polyak if rule.lags else None,
        selects_online=not rule.lags or is_selected_online(rule.bootstrap),
        evaluates_online=not lags or is_evaluated_online(rule.bootstrap),
        is_least=bool(moment.twins),
    )


def _period(rule: UpdateRule) -> int:
    """Return the updates between two moves of the target, whatever it is for."""
    if not rule.lags:
        return 1
    return rule.averaging_period if rule.polyak is not None else rule.target_period or 1


def start_of(moment: Moment, rule: UpdateRule) -> Start:
    """Return the values, the velocities and what decays, of all critics."""
    parts, N = moment.each_critic, len(moment.batch)
    n = len(parts)
    γ = bootstrap_weights(moment.row_discounts, moment.batch.terminated, torch.float64)
    γ = γ.to(moment.q.device)[:, None]
    own = moment.q_all.T.flatten() if moment.is_critic else moment.q
    online, target = (
        torch.where(γ == 0, 0.0, γ * values.double()).repeat(n, 1)
        for values in (moment.online_next_q, moment.target_next_q)
    )
    selects = online if not rule.lags or is_selected_online(rule.bootstrap) else target
    evaluates = online if is_evaluated_online(rule.bootstrap) else target
    greedy = selects.argmin(1) if moment.twins else selects.argmax(1)
    goal = (moment.q.double() + moment.td_errors.double()).repeat(n)
    still = torch.zeros(n * N * (1 + online.shape[1]), dtype=torch.float64)
    velocity = weights = still
    if rule.descent.carried and moment.optimizer is not None:
        velocity = _along(moment, γ, [_velocity(part, rule) for part in parts])
    if rule.descent.has_decay:
        weights = _along(moment, γ, [_parameters(part) for part in parts])
    return Start(
        goal - values_of(evaluates, greedy), own.double(), online, target, velocity, weights
    )


def _parameters(moment: Moment) -> Step:
    named = moment.q_network.named_parameters()
    return {n: p.detach() for n, p in named if p.requires_grad}


def _velocity(moment: Moment, rule: UpdateRule) -> Step:
    """Return v of the loss ½ Σ ρ_i δ_i²."""
    assert moment.optimizer is not None
    M = moment.preconditioner
    named = dict(moment.q_network.named_parameters())
    return {
        n: velocity_of(moment.optimizer, p, 1.0 if M is None else M[n]) / rule.slope
        for n, p in named.items()
        if p.requires_grad
    }


def _along(moment: Moment, γ: Tensor, steps: list[Step]) -> Tensor:
    """Return (J u, γJ' u) ``[nN (1 + A)]``, each critic along its own u."""
    pushes = [push_of(part) for part in moment.each_critic]
    return joined([push(step) for push, step in zip(pushes, steps, strict=True)], γ)


def push_of(moment: Moment) -> Push:
    """Return u → (J u, J' u) ``[N, 1 + A]`` of the critic that is measured."""

    def values(θ: Step) -> Tensor:
        q, following = (
            functional_call(moment.q_network, θ, pairs if moment.is_critic else pairs[:1])
            for pairs in (moment.pairs, moment.next_pairs)
        )
        if moment.is_critic:
            return torch.stack([q.reshape(-1), following.reshape(-1)], 1)
        return torch.cat([values_of(q, moment.pairs[1])[:, None], following], 1)

    A = 1 if moment.is_critic else moment.online_next_q.shape[1]
    with quiet(moment.q_network), torch.enable_grad():
        nothing = moment.q.new_zeros(len(moment.batch), 1 + A)
        return pull_and_push(values, _parameters(moment), nothing)[2]


def joined(moved: list[Tensor], γ: Tensor) -> Tensor:
    """Return (J u, γJ' u) of all critics ``[nN (1 + A)]``, of each one's ``[N, 1 + A]``."""
    own, ahead = ([each.double()[:, some] for each in moved] for some in (slice(1), slice(1, None)))
    following = torch.cat([γ * each for each in ahead], 1).repeat(len(moved), 1)
    return torch.cat([torch.cat(own).flatten(), following.flatten()]).cpu()
