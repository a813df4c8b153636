"""Ways in which a declared loop can leave another gradient, each held to the whole of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.case import LAYERS, Case, Explanation, found_by, hold, tolerance
from qdiverge.update.auditing.differences import differences
from qdiverge.update.auditing.extra_terms import (
    fit_two,
    other_directions,
    residual_gradient,
)
from qdiverge.update.auditing.findings import finding
from qdiverge.update.auditing.still_calls import critic_values, q_values
from qdiverge.update.auditing.td_columns import Hypothesis


def of_signs(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether the loss is |δ|, of which the signs of the TD errors are all that is left."""
    signs = np.sign(case.columns.slopes(h)) * case.columns.weights[h.weights][:, None]
    signs /= len(signs)
    scale, left = hold(case, case.reading.pull(signs))
    if scale <= 0 or left > LAYERS * unit:
        return None
    found = found_by(case, replace(h, loss="absolute"), scale, left)
    return replace(found, slopes=scale * signs[:, 0])


def clamped(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether each entry of the declared gradient was clipped to ±c."""
    g = case.reading.gradient
    limit = g.abs().max()
    at_limit = g.abs() == limit
    free = v * ~at_limit
    square = float(free.double().square().sum())
    if square == 0:
        return None
    scale = float(free.double() @ g.double()) / square
    left = float((g - (scale * v).clamp(-limit, limit)).norm() / g.norm())
    if scale <= 0 or left > tolerance(case.columns, h, unit):
        return None
    told = finding("clipped", scale=float(g.norm() / (scale * v).norm()),
                   hint=f", each entry to ±{float(limit):.3g}")  # fmt: skip
    return replace(found_by(case, h, scale, left), findings=[told], is_clamped=True)


def with_extra(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether the declared gradient and one other direction make g together."""
    g, most = case.reading.gradient, tolerance(case.columns, h, unit)
    for code, shown, x in other_directions(case.reading, case.previous):
        c, size, left = fit_two(g, v, x)
        is_other = abs(size) * float(x.norm() / g.norm()) > 10 * most
        if left <= most and c > 0 and is_other:
            share = float((g - c * v).square().sum() / g.square().sum())
            extra = finding(code, unexplained=share, shown=f"it is {shown} × {size:.3g}",
                           hint=f" but {size:.3g} × {shown}")  # fmt: skip
            found = found_by(case, h, c, math.sqrt(share), findings=[extra])
            return replace(found, explained=1 - share)
    return None


def without_stop(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether the gradient also flows through the target into the online network."""
    is_new = h == next(other for other in case.declared if other.loss == h.loss)
    if case.reading.actions is None or not is_new:  # the rule is another in any case
        return None
    values = q_values(case.modules[0], case.batch.next_observations, case.reading.leaves)
    for rule in ("q", "inverse_double_q") if case.targets else ("q",):
        for kept in (0.0, 1.0):
            now = replace(h, bootstrap=rule, terminal_factor=kept)
            whole = residual_gradient(case.reading, values, case.columns, now)
            scale, left = hold(case, whole)
            if scale > 0 and left <= tolerance(case.columns, now, unit):
                shown = "The gradient also flows through the target into the online network"
                findings = [finding("no_stop_gradient", shown=shown)]
                findings += differences(case, now, h)
                return found_by(case, now, scale, left, findings=findings)
    return None


def at_other_actions(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether critics are trained at the actions of another row."""
    if case.reading.actions is not None:
        return None
    for by, name in ((-1, "those of the next row"), (1, "those of the row before")):
        pairs = case.batch.observations, case.batch.actions.roll(by, 0)
        outputs = critic_values(case.modules, *pairs, leaves=case.reading.leaves)
        columns = replace(case.columns, q={"shown": numbers(outputs)})
        slopes = torch.as_tensor(columns.slopes(h)).to(outputs)
        scale, left = hold(case, case.reading.flat(case.reading.gradients(outputs, slopes)))
        if scale > 0 and left <= tolerance(columns, h, unit):
            told = [finding("wrong_actions", shown=name)]
            return found_by(replace(case, columns=columns), h, scale, left, findings=told)
    return None
