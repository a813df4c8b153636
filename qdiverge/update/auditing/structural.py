"""What is wrong beside the targets: parameters, the target as an object, the gradient's scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from qdiverge.update.auditing.audit_inputs import Reading
from qdiverge.update.auditing.case import WHOLE, Case, Explanation
from qdiverge.update.auditing.findings import Finding, finding

Optimizers = torch.optim.Optimizer | Sequence[torch.optim.Optimizer]


def structural(
    case: Case,
    found: Explanation,
    optimizer: Optimizers | None,
    loss: str | None,
    max_grad_norm: float | None,
) -> list[Finding]:
    """Return all of these."""
    return [
        *of_parameters(case.reading, optimizer),
        *of_targets(case, found),
        *of_scale(case, found, loss, max_grad_norm),
    ]


def of_parameters(reading: Reading, optimizer: Optimizers | None) -> list[Finding]:
    """Return what is wrong with the parameters: without a gradient, or of no optimiser group."""
    findings = []
    if names := reading.without_gradient():
        findings.append(
            finding("parameters_without_gradient", names=", ".join(names),
                    shown="have no gradient although Q depends on them: frozen, or detached?")
        )  # fmt: skip
    if optimizer is not None:
        several = optimizer if isinstance(optimizer, Sequence) else [optimizer]
        moved = {id(p) for o in several for group in o.param_groups for p in group["params"]}
        free = [name for name, p in reading.params.items() if id(p) not in moved and has_grad(p)]
        if free:
            findings.append(
                finding("parameters_without_gradient", names=", ".join(free),
                        shown="have a gradient but belong to no group of the optimiser")
            )  # fmt: skip
    return findings


def has_grad(parameter: Tensor) -> bool:
    """Tell whether a parameter has a gradient other than zero."""
    return parameter.grad is not None and bool(parameter.grad.any())


def of_targets(case: Case, found: Explanation) -> list[Finding]:
    """Return what is wrong with the target network as an object."""
    own = {id(p) for p in case.reading.params.values()}
    target = [p for module in case.targets for p in module.parameters()]
    if target and all(id(p) in own for p in target):
        return [
            finding("bootstrap_differs", shown="q", declared="a target network",
                    hint=": the target shares its parameters with q_net; copy.deepcopy it")
        ]  # fmt: skip
    if any(has_grad(p) for p in target) and "no_stop_gradient" not in found.codes:
        return [finding("no_stop_gradient", shown="The target network has gradients")]
    return []


def of_scale(
    case: Case, found: Explanation, loss: str | None, max_grad_norm: float | None
) -> list[Finding]:
    """Return whether the gradient is clipped, or of another loss than declared."""
    if found.hypothesis is None or found.is_clamped:
        return []
    name, scale = split_scale(found, loss)
    if name == "unknown":
        return [] if loss is None else [finding("loss_differs", shown="|δ|", declared=loss)]
    norm = float(case.reading.gradient.double().norm())
    if scale > 1 - max(WHOLE, 3 * found.residual):
        is_other = loss is not None and name != loss and not math.isnan(scale)
        return [finding("loss_differs", shown=name, declared=loss)] if is_other else []
    if max_grad_norm is not None and abs(norm / max_grad_norm - 1) < WHOLE:
        return []
    round_norm = float(f"{norm:.3g}")
    hint = f", to a norm of {round_norm:g}" if abs(norm / round_norm - 1) < 2e-6 else ""
    return [finding("clipped", scale=scale, norm=norm, hint=hint)]


def split_scale(found: Explanation, loss: str | None) -> tuple[str, float]:
    """Return the loss's name and what its gradient is multiplied by.

    δ² is ½δ² with twice the gradient: a scale of 2, or one between 1 and 2, is taken for it.
    """
    if found.hypothesis is None:
        return "unknown", math.nan
    name, scale = found.hypothesis.loss, found.scale
    if name == "absolute":  # |δ|
        return "unknown", scale
    if name == "huber" and not (found.is_small and loss != "huber"):
        is_other = found.is_small and abs(scale - 2) < 2 * WHOLE
        return ("squared", scale / 2) if is_other else (name, scale)
    is_squared = abs(scale - 2) < 2 * WHOLE or (1 + WHOLE < scale < 2)
    if (loss == "squared" and abs(scale - 1) > WHOLE) or (loss is None and is_squared):
        return "squared", scale / 2
    if loss == "huber" and found.is_small:
        return "huber", scale
    return ("squared", scale / 2) if abs(scale - 2) < 2 * WHOLE else (name, scale)
