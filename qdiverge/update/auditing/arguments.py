"""From the arguments of ``qd.audit`` to what is compared, or to an error that says why not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from torch import Tensor

from qdiverge.batch_reading import TRUNCATED, as_transitions, field_of
from qdiverge.checks import check_choice, check_discount, check_finite_number
from qdiverge.errors import InvalidValueError
from qdiverge.kernel.network import first_parameter
from qdiverge.td import BOOTSTRAPS
from qdiverge.tensor_checks import check_finite
from qdiverge.thing_checks import check_callable
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.audit_inputs import Reading, numbers, read
from qdiverge.update.auditing.case import Case
from qdiverge.update.auditing.following import Following
from qdiverge.update.auditing.still_calls import Networks, Policy, modules_of
from qdiverge.update.auditing.td_columns import LOSSES, Array, Columns, Hypothesis


def make_case(
    q_net: Networks,
    batch: Any,
    discount: float,
    target: Networks | None,
    policy: Policy | None,
    entropy_coefficient: float,
    bootstrap: str | None,
    loss: str | None,
    previous_gradient: Tensor | None,
) -> Case:
    """Check the arguments of :func:`audit` and return what is compared."""
    discount = check_discount(discount)
    entropy_coefficient = check_finite_number("entropy_coefficient", entropy_coefficient)
    if bootstrap is not None:
        check_choice("bootstrap", bootstrap, BOOTSTRAPS)
    if loss is not None:
        check_choice("loss", loss, LOSSES)
    modules = modules_of("q_net", q_net)
    targets = () if target is None else modules_of("target", target)
    like = first_parameter(modules)
    if policy is not None:
        check_callable("policy", policy, "a function of s'")
    if previous_gradient is not None:
        check_finite("previous_gradient", previous_gradient)
    transitions = as_transitions(batch).plain().to(like.device, like.dtype)
    reading = read(modules, transitions)
    following = Following(modules, targets, transitions, batch, policy, entropy_coefficient)
    if bootstrap is None:
        declared = ["q"] if not targets else ["target_q"]
        declared += ["double_q"] if targets and reading.actions is not None else []
    else:
        declared = [bootstrap]
    losses = {"huber": ["huber"], None: ["half_squared", "huber"]}.get(loss, ["half_squared"])
    return Case(
        modules=modules,
        targets=targets,
        batch=transitions,
        reading=reading,
        columns=make_columns(reading, transitions, batch, following, discount),
        discount=discount,
        declared=[Hypothesis(loss=own, bootstrap=rule) for rule in declared for own in losses],
        previous=previous_gradient,
    )


def make_columns(
    reading: Reading, batch: Transitions, raw: Any, following: Following, discount: float
) -> Columns:
    """Return the numbers of the batch, and those that a loop may have taken in their place."""
    q, N = numbers(reading.outputs), len(batch)
    if reading.actions is not None:
        q = q[range(N), numbers(reading.actions).astype(int)][:, None]
    r = numbers(batch.rewards)
    for name, column in (("rewards", r), ("Q-values", q)):
        if not bool((abs(column) < math.inf).all()):
            raise InvalidValueError(f"{name} must be finite", got="NaN or infinity in the batch")

    def row(*names: str, default: float) -> Array:
        value = field_of(raw, *names)
        if value is not None and value.numel() != N:
            raise InvalidValueError(f"{names[0]} must have shape [{N}]", got=list(value.shape))
        return np.full(N, default) if value is None else numbers(value.reshape(-1))

    weights = row("weights", default=1.0)
    shown = {"shown": weights}
    if weights.min() != weights.max():
        shown["none"] = 0 * weights + 1
    rewards = {"shown": r, "of the next row": np.roll(r, -1), "of the row before": np.roll(r, 1)}
    rewards |= {"their signs": np.sign(r), "clipped to ±1": r.clip(-1, 1)}
    rewards |= {"turned round": -r, "none": 0 * r}
    spread = r.std()
    if spread > 0:
        rewards |= {"less their mean, over their deviation": (r - r.mean()) / (spread + 1e-8)}
    return Columns(
        q={"shown": q},
        rewards=rewards,
        discounts=row("discounts", default=discount),
        terminated=np.where(numbers(batch.terminated) > 0, 1.0, 0.0),
        truncated=row(*TRUNCATED, default=0.0),
        following=following,
        weights=shown,
    )
