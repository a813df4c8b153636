"""``qd.diagnose``: one moment of a Q-network, from its batch to advice."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.checks import check_discount, check_positive
from qdiverge.diagnostics.advice import advice
from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.diagnostics.linearisation import predicted_change, step_change
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.q_values import QValues, soft_divergence_bound
from qdiverge.diagnostics.quiet import quiet
from qdiverge.diagnostics.transitions import Transitions, as_transitions
from qdiverge.errors import InvalidValueError
from qdiverge.kernel import NTK
from qdiverge.theory import (
    attribute,
    check_contraction,
    check_stability,
    linearisation_error,
    time_to_threshold,
)
from qdiverge.theory.arnoldi import DENSE_LIMIT


def diagnose(
    q_net: nn.Module,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float = 1e-4,
    *,
    target: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    target_period: int = 1,
    loss: str = "half_squared",
    reward_bound: float | None = None,
) -> Diagnosis:
    """Diagnose a Q-network on a batch: will its updates contract or blow up, why, what to change.

    One Gram matrix over the pairs X and their greedy successors gives K, K' and their shares by
    layer; the certificate also needs the kernel of every other successor action with X.

    Args:
        q_net: Called as ``q_net(observations)``; returns [N, A]. Left untouched.
        batch: N transitions: :class:`Transitions`, a dict, or a batch of another library.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i² (twice the optimiser's for torch's ``mse_loss``).
        target: The network that makes the bootstrap target; None: ``q_net``.
        optimizer: A live Adam, AdamW or RMSProp, whose second moments shape the kernel.
        target_period: C, updates between two hard copies of the target network.
        loss: "huber" clips the TD errors of the step to ±1; "half_squared" does not.
        reward_bound: r_max; None: the largest |r| of the batch, or 1.

    Raises:
        InvalidValueError: more than 1024 transitions (see :func:`batch_spectrum`), an argument out
            of range, or Q-values that are not finite.
        UnsupportedNetworkError: the network mixes samples or draws random numbers.

    >>> q_net = nn.Linear(1, 1, bias=False)  # w → 2w: s = 1 leads to s' = 2
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    >>> batch = Transitions(s, a, torch.zeros(1), 2 * s, torch.zeros(1))
    >>> diagnosis = diagnose(q_net, batch, discount=0.9, learning_rate=0.1)
    >>> diagnosis.stability.verdict, round(diagnosis.stability.spectral_radius, 6)  # 1 + α(2γ − 1)
    ('divergent', 1.08)
    """
    moment = make_moment(
        q_net, batch, discount, learning_rate, target=target, optimizer=optimizer,
        reward_bound=reward_bound,
    )  # fmt: skip
    if loss not in ("huber", "half_squared"):
        raise InvalidValueError("loss must be 'huber' or 'half_squared'", got=repr(loss))
    if len(moment.batch) > DENSE_LIMIT:
        raise InvalidValueError(
            f"a dense diagnosis takes at most {DENSE_LIMIT} transitions",
            got=len(moment.batch),
            remedy="Pass fewer, or use qd.batch_spectrum, which holds no kernel.",
        )
    q_values = QValues().measure(moment)
    if not math.isfinite(q_values["diverge/q_abs_max"]):
        raise InvalidValueError(
            "finite Q-values were expected",
            got="NaN or infinity",
            remedy="The network has diverged already: diagnose an earlier checkpoint.",
        )
    blocks, successor_blocks = kernels_by_layer(moment)
    K = torch.stack(list(blocks.values())).sum(0)
    K = (K + K.T) / 2  # the sum over layers rounds either triangle alike, but for the order
    stability = check_stability(
        K,
        all_successors(moment),
        greedy_actions=moment.greedy_actions,
        learning_rate=learning_rate,
        target_period=target_period,
    )
    applied = moment.td_errors.clamp(-1, 1) if loss == "huber" else moment.td_errors
    predicted = predicted_change(K.to(applied.dtype), applied, learning_rate)
    growth = stability.spectral_radius ** (1 / target_period)
    size = q_values["diverge/q_abs_max"]
    diagnosis = Diagnosis(
        learning_rate=learning_rate,
        discount=discount,
        bound=moment.bound,
        contraction=check_contraction(K, discount=discount, learning_rate=learning_rate),
        stability=stability,
        attribution=attribute(blocks, successor_blocks),
        linearisation_error=linearisation_error(predicted, step_change(moment, applied)),
        forecast=time_to_threshold(size, growth, moment.bound) if size > 0 else math.inf,
        q_values=q_values,
        td_errors=moment.td_errors,
        clipped_share=float((applied != moment.td_errors).double().mean()),
    )
    return replace(diagnosis, advice=advice(diagnosis))


def make_moment(
    q_net: nn.Module,
    batch: Any,
    discount: float,
    learning_rate: float,
    *,
    target: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    reward_bound: float | None = None,
) -> Moment:
    """Check the arguments and return the moment that they describe."""
    check_discount(discount)
    check_positive("learning_rate", learning_rate)
    transitions = as_transitions(batch)
    if reward_bound is None:
        reward_bound = float(transitions.rewards.abs().max()) or 1.0
    return Moment(
        q_network=q_net,
        batch=transitions,
        discount=discount,
        learning_rate=learning_rate,
        update=0,
        target=target if target is not q_net else None,
        optimizer=optimizer,
        bound=soft_divergence_bound(discount, reward_bound),
    )


def kernels_by_layer(moment: Moment) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return layer → K [N, N] and layer → K' [N, N] at the greedy successors, from one Gram."""
    N, both = len(moment.batch), pairs_and_successors(moment)
    with quiet(moment.q_network):
        ntk = NTK(moment.q_network, preconditioner=moment.optimizer)
        blocks = ntk.by_layer(both.observations, both.actions)
    weight = _bootstrap_weight(moment)[:, None]
    return (
        {name: block[:N, :N] for name, block in blocks.items()},
        {name: weight.to(block) * block[N:, :N] for name, block in blocks.items()},
    )


def all_successors(moment: Moment) -> Tensor:
    """Return γ(1 − d_i) k((s'_i, a), x_j) for every action a, [N, A, N]."""
    batch = moment.batch
    with quiet(moment.q_network):
        ntk = NTK(moment.q_network, preconditioner=moment.optimizer)
        K = ntk.kernel(batch.next_observations, "all", batch.observations, batch.actions)
    return _bootstrap_weight(moment)[:, None, None].to(K) * K


def pairs_and_successors(moment: Moment) -> Transitions:
    """Return the 2N pairs (s_i, a_i) and (s'_i, greedy), the other fields being those of X."""
    batch = moment.batch
    greedy = moment.greedy_actions.to(batch.actions.dtype)
    successors = Transitions(
        batch.next_observations, greedy, batch.rewards, batch.next_observations, batch.terminated
    )
    return batch.join(successors)


def _bootstrap_weight(moment: Moment) -> Tensor:
    """Return γ(1 − d_i), [N]."""
    return moment.discount * (1 - moment.batch.terminated.to(torch.float64))
