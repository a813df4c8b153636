"""``qd.diagnose``: one moment of a Q-network, from its batch to advice."""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from qdiverge.batch_reading import as_transitions, row_discounts, row_weights, why_other_actions
from qdiverge.checks import (
    check_choice,
    check_discount,
    check_finite_number,
    check_integer,
    check_positive,
    check_rate,
)
from qdiverge.diagnostics.advice import advice
from qdiverge.diagnostics.batch_checks import check_batch, check_q_values, with_integers
from qdiverge.diagnostics.blocks import blocks_of, blocks_of_actions, selection_of
from qdiverge.diagnostics.critics import Policy, critic_views
from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.diagnostics.in_dtype import in_dtype
from qdiverge.diagnostics.metrics.q_values import QValues
from qdiverge.diagnostics.metrics.step_linearity import step_changes
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.preconditioner import has_scales
from qdiverge.diagnostics.update_stability import stability_of, weights_of_critics
from qdiverge.errors import InvalidValueError
from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.kernel.network import Networks, each_of, first_parameter, unwrap
from qdiverge.td import BOOTSTRAPS, Bootstrap
from qdiverge.tensor_checks import check_optimizer
from qdiverge.theory import attribute, check_contraction, linearisation_error, time_to_threshold
from qdiverge.theory.arnoldi import DENSE_LIMIT
from qdiverge.theory.linearisation import LARGEST_ERROR
from qdiverge.thing_checks import check_callable, check_instance, check_text
from qdiverge.transitions import Transitions, without_ends
from qdiverge.update import UpdateRule, read_optimizer, why_not_modelled
from qdiverge.update.rule import LOSS_SLOPES, LOSSES, Source


@torch.inference_mode(mode=False)
def diagnose(
    q_net: Networks,
    batch: Any,
    discount: float = 0.99,
    learning_rate: float | None = None,
    *,
    target: Networks | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    target_period: int | None = None,
    polyak: float | None = None,
    averaging_period: int = 1,
    loss: str = "half_squared",
    loss_factor: float | None = None,
    reward_bound: float | None = None,
    bootstrap: Bootstrap | None = None,
    policy: Policy | None = None,
    entropy_coefficient: float = 0.0,
    not_modelled: str = "",
    rule: UpdateRule | None = None,
    batch_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Diagnosis:
    """Diagnose a Q-network on a batch: will its updates contract or blow up, why, what to change.

    The verdict is about the update that the run makes: the optimiser's momentum, second moments and
    decay, the target network, the importance weights and γ^k of the batch (``weights`` and
    ``discounts``, where it has them), every critic. What is not modelled is undecided, by name.
    Divergent is what grows from where the run is, and not from elsewhere alone.
    Where Huber's loss, clipping or second moments bound the step, what only too large a step makes
    grow ends in an oscillation: "divergent" is then what goes on growing at small ones.

    Noisy weights are averaged over draws (:mod:`qdiverge.diagnostics.noisy_weights`).

    K and K' of every successor action are made by layer, which says where growth comes from.

    Args:
        q_net: Called as ``q_net(observations)``; returns [N, A]. Left untouched. Or a critic,
            called with observations and actions [N, k], or several, whose targets take the least.
        batch: N transitions: :class:`Transitions`, a dict, or a batch of another library.
        discount: γ.
        learning_rate: α of the loss ½ Σ ρ_i δ_i² (twice the optimiser's for torch's ``mse_loss``);
            None: the optimiser's, by ``loss`` and ``loss_factor``, or 1e-4 without one.
        target: The network that makes the bootstrap target; None: ``q_net``.
        optimizer: The live optimiser; None: gradient descent.
        target_period: C, updates between two hard copies of the target network; None or 1: it
            follows at once, or as ``polyak`` says.
        polyak: τ of an averaged target.
        averaging_period: Updates between two averagings; TD3's policy delay.
        loss: "half_squared"; "squared", torch's ``mse_loss``; "huber", which clips the TD errors of
            the step to ±1.
        loss_factor: c, what the mean of that loss is multiplied by, such as N where it is summed;
            None: 1. ``qd.audit`` reads it off a gradient.
        reward_bound: r_max; None: the largest |r| of the batch, or 1.
        bootstrap: Who selects and who evaluates a': "q", "target_q", "double_q" or
            "inverse_double_q"; None: the target network does both, or ``q_net`` without one.
        policy: s' → a' of a critic, where the batch has no ``next_actions``.
        entropy_coefficient: α_H of a soft critic, whose policy also returns log π(a'|s').
        not_modelled: Why no linear theory is of the run's update, in a sentence; the verdict is
            then undecided. Optimisers that are not modelled are recognised by themselves.
        rule: All of the update in one record, in place of what is said of it above.
        batch_size: Updates are on so many of the N transitions, drawn at random: what is certified
            is then stable in mean square, too. None: on all of them.
        dtype: ``torch.float64``: on copies in float64, where the rounding of float32 hides the
            slowest modes, as of Adam or a slow target; None: as the network is.

    Raises:
        InvalidValueError: more than 1024 transitions (see :func:`batch_spectrum`), an argument,
            a reward, flag or action out of range, Q-values that are not finite, or outputs that are
            a policy's.
        UnsupportedNetworkError: the network mixes samples or draws random numbers.

    >>> q_net = nn.Linear(1, 1, bias=False)  # w → 2w: s = 1 leads to s' = 2
    >>> with torch.no_grad(): _ = q_net.weight.fill_(1.0)
    >>> s, a = torch.ones(1, 1), torch.zeros(1, dtype=torch.int64)
    >>> batch = Transitions(s, a, torch.zeros(1), 2 * s, torch.zeros(1))
    >>> diagnosis = diagnose(q_net, batch, discount=0.9, learning_rate=0.1)
    >>> diagnosis.stability.verdict, round(diagnosis.stability.spectral_radius, 6)  # 1 + α(2γ − 1)
    ('divergent', 1.08)
    """
    if rule is not None:
        check_instance("rule", rule, UpdateRule)
    if batch_size is not None:
        batch_size = check_integer("batch_size", batch_size, 1)
    optimizer = inner_optimizer(optimizer)
    if rule is None:
        rule = rule_of(
            q_net, batch, discount, learning_rate, target=target, optimizer=optimizer,
            target_period=target_period, polyak=polyak, loss=loss, bootstrap=bootstrap,
            entropy_coefficient=entropy_coefficient, not_modelled=not_modelled,
            loss_factor=loss_factor, averaging_period=averaging_period,
        )  # fmt: skip
    if not rule.not_modelled:
        rule = replace(rule, not_modelled=why_other_actions(batch))
    with in_dtype(dtype, q_net, batch, target, optimizer, policy) as (own, slow, stepper, answer):
        moment = make_moment(
            own, batch, rule.discount, rule.descent.learning_rate, target=slow,
            optimizer=stepper, reward_bound=reward_bound, bootstrap=rule.bootstrap, policy=answer,
            entropy_coefficient=rule.entropy_coefficient, rule=rule,
        )  # fmt: skip
        return diagnosis_of(moment, rule, batch_size)


def diagnosis_of(moment: Moment, rule: UpdateRule, batch_size: int | None = None) -> Diagnosis:
    """Return the diagnosis of a moment under a rule; see :func:`diagnose`."""
    if len(moment.batch) > DENSE_LIMIT:
        raise InvalidValueError(
            f"diagnose holds whole kernels and takes at most {DENSE_LIMIT} transitions",
            got=len(moment.batch),
            remedy="Pass fewer, or use qd.batch_spectrum, which takes any number.",
        )
    if not moment.is_critic:
        check_q_values(moment.q_all)
    q_values = QValues().measure(moment)
    if not math.isfinite(q_values["diverge/q_abs_max"]):
        raise InvalidValueError(
            "the Q-values must be finite",
            got="NaN or infinity",
            remedy="The network has diverged already: diagnose an earlier checkpoint.",
        )
    blocks = blocks_of(moment) if moment.is_critic else blocks_of_actions(moment)
    K = blocks.kernel(0)
    K = (K + K.T) / 2  # the sum over layers rounds either triangle alike, but for the order
    stability = stability_of(moment, blocks, rule, batch_size)
    joint = blocks.side_by_side(
        selection_of(moment, rule) if moment.twins else K.new_ones(len(K), 1)
    )
    error = linearisation_error(*step_changes(moment, moment.applied_errors))
    size, α = q_values["diverge/q_abs_max"], rule.descent.learning_rate
    is_confirmed = error <= LARGEST_ERROR and not rule.not_modelled
    return Diagnosis(
        learning_rate=α,
        discount=rule.discount,
        bound=moment.bound,
        rule=rule,
        contraction=check_contraction(K, discount=rule.discount, learning_rate=α),
        stability=stability,
        attribution=attribute(*joint, sample_weights=weights_of_critics(moment)),
        linearisation_error=error,
        forecast=time_to_threshold(size, stability.update_radius, moment.bound)
        if size > 0 and is_confirmed and math.isfinite(moment.bound)  # none at γ = 1
        else math.inf,
        q_values=q_values,
        td_errors=moment.td_errors,
        clipped_share=float((moment.td_errors.abs() > 1).double().mean())
        if rule.loss == "huber"
        else 0.0,
        find_advice=advice,
    )


def rule_of(
    q_net: Networks,
    batch: Any,
    discount: float,
    learning_rate: float | None,
    *,
    target: Networks | None,
    optimizer: torch.optim.Optimizer | None,
    target_period: int | None,
    polyak: float | None,
    loss: str,
    bootstrap: Bootstrap | None,
    entropy_coefficient: float,
    not_modelled: str,
    loss_factor: float | None = None,
    averaging_period: int = 1,
) -> UpdateRule:
    """Return the rule that the arguments of :func:`diagnose` and a live optimiser come to."""
    fields: dict[str, Any] = {}
    sources: dict[str, Source] = {"discount": "given", "loss": "given"}
    modules = each_of(q_net)
    check_text("not_modelled", not_modelled)
    if optimizer is not None:
        fields = read_optimizer(optimizer, modules)
        sources |= dict.fromkeys(fields, "optimizer")
        if not fields["not_modelled"] and not has_scales(optimizer, *modules):
            name = fields["optimizer"]
            fields["not_modelled"] = f"{name} has second moments only after its first step"
    if reason := not_modelled or why_not_modelled(modules):
        fields["not_modelled"] = reason
    check_choice("loss", loss, LOSSES)
    if loss_factor is not None:
        fields["loss_factor"] = check_positive("loss_factor", loss_factor)
        sources["loss_factor"] = "given"
    if learning_rate is not None:
        learning_rate = check_rate("learning_rate", learning_rate)
        fields["learning_rate"] = learning_rate / (LOSS_SLOPES[loss] * (loss_factor or 1.0))
        sources["learning_rate"] = "given"
    has_target = target is not None and target is not q_net
    if bootstrap is None:
        bootstrap = "target_q" if has_target else "q"
    else:
        check_choice("bootstrap", bootstrap, BOOTSTRAPS)
        sources["bootstrap"] = "given"
    for name, value in (("target_period", target_period), ("polyak", polyak)):
        if value is not None:
            sources[name] = "given"
    if has_target and target_period is None and polyak is None:
        target_period = 1
    if polyak is not None and target_period == 1:  # it follows at every update: by polyak
        target_period = None
    return UpdateRule(
        discount=discount,
        loss=loss,  # type: ignore[arg-type]
        bootstrap=bootstrap,
        target_period=target_period,
        polyak=polyak,
        averaging_period=averaging_period,
        critics="min" if len(modules) > 1 else "one",
        entropy_coefficient=entropy_coefficient,
        has_weights=row_weights(batch) is not None,
        sources=sources,
        **fields,
    )


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
    rule: UpdateRule | None = None,
) -> Moment:
    """Check the arguments of :func:`diagnose` and return the moment that they describe."""
    discount = check_discount(discount)
    learning_rate = check_rate("learning_rate", learning_rate)
    entropy_coefficient = check_finite_number("entropy_coefficient", entropy_coefficient)
    if optimizer is not None:
        optimizer = check_optimizer("optimizer", optimizer)
    if policy is not None:
        check_callable("policy", policy, "a function of s'")
    network = unwrap(each_of(q_net)[0])[0]
    transitions = with_integers(without_ends(as_transitions(batch)), network)
    check_batch(transitions)
    parameter = first_parameter([network])
    transitions = transitions.to(parameter.device, parameter.dtype)
    if reward_bound is None:
        reward_bound = float(transitions.rewards.abs().max()) or 1.0
    if bootstrap is not None:
        check_choice("bootstrap", bootstrap, BOOTSTRAPS)
    online = split_networks(q_net, transitions)
    own_target = None if target is q_net else target
    targets = () if own_target is None else split_networks(own_target, transitions, "target")
    return Moment(
        q_network=online[0],
        batch=transitions,
        discount=discount,
        learning_rate=learning_rate,
        update=0,
        target=targets[0] if targets else None,
        optimizer=optimizer if optimizer is not None and has_scales(optimizer, *online) else None,
        reward_bound=check_positive("reward_bound", reward_bound),
        bootstrap=bootstrap,
        twins=online[1:],
        target_twins=targets[1:],
        policy=policy,
        entropy_coefficient=entropy_coefficient,
        rule=rule,
        weights=row_weights(batch),
        discounts=row_discounts(batch),
    )


def split_networks(
    networks: Networks, batch: Transitions, name: str = "q_net"
) -> tuple[nn.Module, ...]:
    """Return the Q-network alone, or each critic, without the wrapper of torch.compile.

    Raises:
        InvalidValueError: several networks stand beside integer actions.
    """
    modules = each_of(networks, name)
    if batch.actions.is_floating_point():
        return critic_views(modules, batch.observations, batch.actions)
    if len(modules) != 1:
        raise InvalidValueError(
            "several networks are critics, whose actions are floating-point numbers [N, k]",
            got=f"{batch.actions.dtype} actions",
            remedy="For integer actions pass one Q-network.",
        )
    return (unwrap(modules[0])[0],)
