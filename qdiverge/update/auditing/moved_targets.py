"""Tell a target that moved between the loss and the audit from one that was re-bound.

A loop may track its network before it takes its step: θ̄ = (1−τ) θ̄° + τ θ, of which θ̄° made the
targets. τ is the one unknown of θ̄° = (θ̄ − τ θ)/(1−τ); g − c Jᵀw is nearly linear in it, so that
a few steps of the secant find it.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from qdiverge.update.auditing.case import Case, Explanation, found_by, hold, tolerance
from qdiverge.update.auditing.following import Following
from qdiverge.update.auditing.td_columns import Hypothesis

FIRST, LARGEST = 0.005, 0.5  # τ
STEPS = 6
GAINED = 0.9  # of the first residual: the second guess must leave less


def moved_target(case: Case, unit: float) -> Explanation | None:
    """Return whether the declared loop with the target before it moved makes the gradient."""
    if not is_copy(case):
        return None
    for h in case.declared:
        if h.bootstrap == "q":
            continue
        first = last = off(case, case, h)
        before, tau = 0.0, FIRST
        for _ in range(STEPS):
            then = at(case, tau)
            scale, residual = hold(then, then.reading.pull(then.columns.slopes(h)))
            if scale > 0 and residual <= tolerance(then.columns, h, unit):
                return found_by(then, h, scale, residual)
            now = off(case, then, h)
            if before and float(now.norm()) > GAINED * float(first.norm()):
                break
            slope = (now - last) / (tau - before)
            size = float(slope @ slope)
            if size == 0:
                break
            before, last, tau = tau, now, tau - float(slope @ now) / size
            if not 0 < tau < LARGEST or tau == before:
                break
    return None


def is_copy(case: Case) -> bool:
    """Return whether the targets are as the networks, parameter by parameter."""
    shapes = [[p.shape for m in modules for p in m.parameters()]
              for modules in (case.modules, case.targets)]  # fmt: skip
    return bool(case.targets) and shapes[0] == shapes[1]


def at(case: Case, tau: float) -> Case:
    """Return the case with the targets as they were before they moved."""
    pairs = zip(
        (p for m in case.targets for p in m.parameters()),
        (p for m in case.modules for p in m.parameters()),
        strict=True,
    )
    leaves = {id(p): (p.detach() - tau * own.detach()) / (1 - tau) for p, own in pairs}
    assert isinstance(case.columns.following, Following)
    return replace(case, columns=replace(case.columns, following=case.columns.following.at(leaves)))


def off(case: Case, then: Case, h: Hypothesis) -> Tensor:
    """Return g − c Jᵀw, [P], in float64."""
    v = case.reading.pull(then.columns.slopes(h))
    return case.reading.gradient.double() - hold(case, v)[0] * v.double()
