"""``qd.diagnose``: one moment of a Q-network, from its batch to advice."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.checks import check_choice, check_discount, check_positive
from qdiverge.diagnostics.advice import advice
from qdiverge.diagnostics.critics import Policy, critic_views
from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.diagnostics.metrics.linearisation import predicted_change, step_change
from qdiverge.diagnostics.metrics.q_values import QValues, soft_divergence_bound
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.errors import InvalidValueError
from qdiverge.kernel import NTK
from qdiverge.kernel.network import unwrap
from qdiverge.td import BOOTSTRAPS, Bootstrap, bootstrap_weights
from qdiverge.theory import (
    attribute,
    check_contraction,
    check_stability,
    linearisation_error,
    time_to_threshold,
)
from qdiverge.theory.arnoldi import DENSE_LIMIT
from qdiverge.transitions import Transitions, as_transitions

Networks = nn.Module | Sequence[nn.Module]  # a Q-network; or one critic or several


def diagnose(
    q_net: Networks,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float = 1e-4,
    *,
    target: Networks | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    target_period: int = 1,
    loss: str = "half_squared",
    reward_bound: float | None = None,
    bootstrap: Bootstrap | None = None,
    policy: Policy | None = None,
    entropy_coefficient: float = 0.0,
) -> Diagnosis:
    """Diagnose a Q-network on a batch: will its updates contract or blow up, why, what to change.

    One Gram matrix over the pairs X and their greedy successors gives K, K' and their shares by
    layer; the certificate also needs the kernel of every other successor action with X.

    Args:
        q_net: Called as ``q_net(observations)``; returns [N, A]. Left untouched. Or a critic,
            called with observations and actions [N, k], or several: the first is diagnosed.
        batch: N transitions: :class:`Transitions`, a dict, or a batch of another library.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i² (twice the optimiser's for torch's ``mse_loss``).
        target: The network that makes the bootstrap target; None: ``q_net``.
        optimizer: A live Adam, AdamW or RMSprop, whose second moments shape the kernel.
        target_period: C, updates between two hard copies of the target network.
        loss: "huber" clips the TD errors of the step to ±1; "half_squared" does not.
        reward_bound: r_max; None: the largest |r| of the batch, or 1.
        bootstrap: Who selects and who evaluates a': "q", "target_q", "double_q" or
            "inverse_double_q"; None: the target network does both, or ``q_net`` without one.
        policy: s' → a' of a critic, where the batch has no ``next_actions``.
        entropy_coefficient: α_H of a soft critic, whose policy also returns log π(a'|s').

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
        reward_bound=reward_bound, bootstrap=bootstrap, policy=policy,
        entropy_coefficient=entropy_coefficient,
    )  # fmt: skip
    if loss not in ("huber", "half_squared"):
        raise InvalidValueError(
            "loss must be 'huber' or 'half_squared'",
            got=repr(loss),
            remedy="For torch's mse_loss pass 'half_squared' and twice the learning rate.",
        )
    if len(moment.batch) > DENSE_LIMIT:
        raise InvalidValueError(
            f"diagnose holds whole kernels and takes at most {DENSE_LIMIT} transitions",
            got=len(moment.batch),
            remedy="Pass fewer, or use qd.batch_spectrum, which takes any number.",
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
        greedy_actions=None if moment.is_critic else moment.next_actions,
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
    q_net: Networks,
    batch: Any,
    discount: float,
    learning_rate: float,
    *,
    target: Networks | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    reward_bound: float | None = None,
    bootstrap: Bootstrap | None = None,
    policy: Policy | None = None,
    entropy_coefficient: float = 0.0,
) -> Moment:
    """Check the arguments of :func:`diagnose` and return the moment that they describe."""
    check_discount(discount)
    check_positive("learning_rate", learning_rate)
    transitions = as_transitions(batch)
    if reward_bound is None:
        reward_bound = float(transitions.rewards.abs().max()) or 1.0
    if bootstrap is not None:
        check_choice("bootstrap", bootstrap, BOOTSTRAPS)
    online = split_networks(q_net, transitions)
    targets = split_networks(target, transitions) if target not in (None, q_net) else ()
    return Moment(
        q_network=online[0],
        batch=transitions,
        discount=discount,
        learning_rate=learning_rate,
        update=0,
        target=targets[0] if targets else None,
        optimizer=optimizer,
        bound=soft_divergence_bound(discount, reward_bound),
        bootstrap=bootstrap,
        twins=online[1:],
        target_twins=targets[1:],
        policy=policy,
        entropy_coefficient=entropy_coefficient,
    )


def split_networks(networks: Networks, batch: Transitions) -> tuple[nn.Module, ...]:
    """Return the Q-network alone, or each critic, without the wrapper of torch.compile.

    Raises:
        InvalidValueError: several networks stand beside integer actions.
    """
    if batch.actions.is_floating_point():
        return critic_views(networks, batch.observations, batch.actions)
    modules = [networks] if isinstance(networks, nn.Module) else networks
    if len(modules) != 1:
        raise InvalidValueError(
            "several networks are critics, whose actions are floating-point numbers [N, k]",
            got=f"{batch.actions.dtype} actions",
            remedy="For integer actions pass one Q-network.",
        )
    return (unwrap(modules[0])[0],)


def kernels_by_layer(moment: Moment) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return layer → K [N, N] and layer → K' [N, N] at the greedy successors, from one Gram."""
    N, both = len(moment.batch), pairs_and_successors(moment)
    with quiet(moment.q_network):
        ntk = NTK(moment.q_network, preconditioner=moment.preconditioner)
        blocks = ntk.by_layer(both.observations, both.actions)
    weight = bootstrap_weights(moment.discount, moment.batch.terminated, torch.float64)[:, None]
    return (
        {name: block[:N, :N] for name, block in blocks.items()},
        {name: weight.to(block) * block[N:, :N] for name, block in blocks.items()},
    )


def all_successors(moment: Moment) -> Tensor:
    """Return γ(1 − d_i) k((s'_i, a), x_j) for every action a, [N, A, N]; K' of a critic, [N, N]."""
    if moment.is_critic:
        return moment.successor_kernel.double()
    batch = moment.batch
    with quiet(moment.q_network):
        ntk = NTK(moment.q_network, preconditioner=moment.preconditioner)
        K = ntk.kernel(batch.next_observations, "all", batch.observations, batch.actions)
    weights = bootstrap_weights(moment.discount, batch.terminated, torch.float64)
    return weights[:, None, None].to(K) * K


def pairs_and_successors(moment: Moment) -> Transitions:
    """Return the 2N pairs (s_i, a_i) and (s'_i, a'_i), the other fields being those of X."""
    batch = moment.batch.plain()
    following = moment.next_actions.to(batch.actions.dtype)
    return batch.join(replace(batch, observations=batch.next_observations, actions=following))
