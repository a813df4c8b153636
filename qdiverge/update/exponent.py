"""How fast a small difference grows in one update of the real rule, whatever the rule is.

    |λ| = max |eigenvalue of J|,  J = ∂F/∂x,  x = (θ, θ⁻, moments of the optimiser)

F is the update as it is made, on copies: loss, bootstrap, optimiser, target network. J is known
through products alone, each of which is the difference of two runs of one update. The exponent
log |λ| describes this moment on this batch. It does not predict: along a run it is positive in
sound runs too (measured), since the batch, the gradient and the greedy actions move on.
"""

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from qdiverge.batch_reading import as_transitions
from qdiverge.calling import own_errors
from qdiverge.checks import (
    LARGEST_SEED,
    check_choice,
    check_discount,
    check_finite_number,
    check_integer,
    check_positive,
    check_step_share,
)
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.generators import same_generators, seed_torch
from qdiverge.kernel.network import Networks, each_of, first_parameter, module_of, untouched
from qdiverge.td import BOOTSTRAPS, Bootstrap
from qdiverge.tensor_checks import check_optimizer
from qdiverge.thing_checks import check_callable
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.still_calls import check_values
from qdiverge.update.copies import copies_of
from qdiverge.update.map_exponent import LEAST, UpdateExponent, exponent_of
from qdiverge.update.real_map import RealMap, Update
from qdiverge.update.td_update import LOSSES, Loss, TdUpdate, with_next_actions

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


@torch.inference_mode(mode=False)
def update_exponent(
    q_net: Networks,
    batch: Any,
    *,
    optimizer: Optimizers | None = None,
    target: Networks | None = None,
    discount: float = 0.99,
    loss: str | Loss = "huber",
    bootstrap: Bootstrap | None = None,
    target_period: int | None = None,
    polyak: float | None = None,
    policy: Any = None,
    entropy_coefficient: float = 0.0,
    max_grad_norm: float | None = None,
    update: Update | None = None,
    num_updates: int = 60,
    seed: int = 0,
) -> UpdateExponent:
    """Return the exponent of the update that is made next, at the cost of at most 60 updates.

    Only directions that the batch can move are looked at: the others keep their length for ever,
    and their eigenvalue 1 would hide every one below. All is done on copies in float64 (in the
    network's own dtype where it takes no other). It holds as many vectors of the state as
    it spends updates, in float32 where the state is long, with lengths and angles of a sketch.

    Args:
        q_net: Called as ``q_net(observations)``; or a critic, called with observations and actions
            [N, k]; or several networks. Left untouched, as is all else.
        batch: N transitions: :class:`Transitions`, a dict, a batch of another library; or a list of
            them, of which F makes one update each.
        optimizer: What trains ``q_net``; where it has made no step yet, F is the second update.
        target: The network that makes the bootstrap target, with ``target_period`` or ``polyak``.
        discount: γ.
        loss: ℓ(Q, y), averaged: "huber", "half_squared" (δ²/2), "squared" (δ², torch's
            ``mse_loss``), or a callable of predictions and targets.
        bootstrap: See :mod:`qdiverge.td`; None: "target_q", or "q" without a target.
        target_period: C. The map of C updates and a copy, all at the present J; λ is its C-th root.
        polyak: τ; the parameters of the target then belong to the state.
        policy: s' → a' or (a', log π), of a critic whose batch has no ``next_actions``.
        entropy_coefficient: η of a soft critic.
        max_grad_norm: Where the rule clips the gradient's norm.
        update: Makes one update of any other rule on the copies that it is given, called as
            ``update(copies, batch)``: ``copies.networks``, ``.targets`` and ``.optimizers``. It
            moves the target itself, unless there is a ``target_period``.
        num_updates: The most that may be spent; 16 or more, times the length of a list of batches.
        seed: Of the start, and of the random numbers of every update.

    Raises:
        InvalidValueError: an argument is out of range, or the state is not finite.
        InvalidTypeError: there is neither an optimiser nor an ``update``.

    >>> q_net = nn.Linear(1, 1, bias=False)  # w → 2w: s = 1 leads to s' = 2
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    >>> batch = Transitions(s, a, torch.zeros(1), 2 * s, torch.zeros(1))
    >>> sgd = torch.optim.SGD(q_net.parameters(), lr=0.1)
    >>> found = update_exponent(q_net, batch, optimizer=sgd, discount=0.9)
    >>> round(found.growth, 6)  # 1 + α(2γ − 1)
    1.08
    """
    networks, targets = each_of(q_net), [] if target is None else each_of(target, "target")
    discount = check_discount(discount)
    entropy_coefficient = check_finite_number("entropy_coefficient", entropy_coefficient)
    seed = check_integer("seed", seed, 0, LARGEST_SEED)
    if max_grad_norm is not None:
        max_grad_norm = check_positive("max_grad_norm", max_grad_norm)
    for name, given_function in (("policy", policy), ("update", update)):
        if given_function is not None:
            check_callable(name, given_function, "a function")
    optimizers = _optimizers(optimizer)
    if target_period is not None:
        check_integer("target_period", target_period, 1)
    given = batch if isinstance(batch, list) else [batch]
    batches = [_with_next_actions(as_transitions(b), policy, discount, entropy_coefficient, seed)
               for b in given]  # fmt: skip
    check_integer("num_updates", num_updates, LEAST * len(given))
    _check_target(targets, target_period, polyak, update, len(batches))
    if update is None:
        if len(optimizers) != 1:
            raise InvalidTypeError(
                "there must be one optimiser, the one that trains q_net",
                got=f"{len(optimizers)}",
                remedy="Pass optimizer=…, or update=… for a rule of your own.",
            )
        if len(networks) > 1 and not batches[0].actions.is_floating_point():
            raise InvalidValueError(
                "with discrete actions there must be one Q-network", got=f"{len(networks)} of them"
            )
        like = first_parameter(networks)
        silent = copies_of(networks, targets, [])  # without the hooks, which hear of nothing
        for own_batch in batches:
            for group in (silent.networks, silent.targets):
                check_values(group, own_batch.to(like.device, like.dtype))
        rule = bootstrap or ("target_q" if targets else "q")
        check_choice("bootstrap", rule, BOOTSTRAPS)
        if not callable(loss):
            loss = LOSSES[check_choice("loss", loss, LOSSES)]
        update = TdUpdate(discount, loss, rule, polyak, max_grad_norm)

    def measured(dtype: torch.dtype | None) -> UpdateExponent:
        copies = copies_of(networks, targets, optimizers, dtype)
        parameter = next(copies.networks[0].parameters())
        with ExitStack() as stack:
            for module in (*copies.networks, *copies.targets):
                stack.enter_context(untouched(module))
            own = [b.to(parameter.device, parameter.dtype).clone() for b in batches]
            real = RealMap(copies, own, update, seed, dtype=dtype)
            return exponent_of(real, target_period, num_updates)

    with own_errors("the update"):
        try:
            return measured(torch.float64)
        except RuntimeError:  # of layers that know float32 alone
            return measured(None)


def _optimizers(optimizer: Optimizers | None) -> list[torch.optim.Optimizer]:
    if optimizer is None:
        return []
    several = optimizer if isinstance(optimizer, list | tuple) else [optimizer]
    return [check_optimizer("optimizer", each) for each in several]


def _check_target(
    targets: Sequence[nn.Module],
    period: int | None,
    polyak: float | None,
    update: Update | None,
    num_batches: int,
) -> None:
    """Refuse what does not say how the target moves."""
    if targets and period is None and polyak is None and update is None:
        raise InvalidValueError(
            "a target needs target_period or polyak", remedy="Say how the target follows q_net."
        )
    if period is not None and polyak is not None:
        raise InvalidValueError("a target must follow by target_period or by polyak", got="both")
    if (period or polyak) and not targets:
        raise InvalidValueError(
            "target_period and polyak need a target", got="none", remedy="Pass target=…."
        )
    if polyak is not None:
        check_step_share("polyak", polyak)
    if period is not None and num_batches > 1:
        raise InvalidValueError(
            "with a target_period there must be one batch", got=f"{num_batches} of them"
        )


def _with_next_actions(
    batch: Transitions, policy: Any, discount: float, entropy_coefficient: float, seed: int
) -> Transitions:
    """Return a critic's batch with a' = π(s'), the entropy bonus in its rewards."""
    if policy is None or not batch.actions.is_floating_point():
        return batch
    policy = copy.deepcopy(policy)
    if (module := module_of(policy)) is not None:
        module.eval()
    device = batch.next_observations.device
    with same_generators(device), torch.no_grad():
        seed_torch(seed, device)
        with own_errors("policy", batch.next_observations):
            answer = policy(batch.next_observations)
    return with_next_actions(batch, answer, discount, entropy_coefficient)
