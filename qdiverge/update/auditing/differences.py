"""What differs between the loop that was found and the one that was declared, in findings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from qdiverge.update.auditing.case import MOST, Case, Explanation
from qdiverge.update.auditing.columns import Array, Flags, Hypothesis
from qdiverge.update.auditing.extras import (
    is_function_of,
)
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.following import ROLLED
from qdiverge.update.auditing.gram import Gram
from qdiverge.update.auditing.reading import numbers

SINGLE = 2e-7  # the rounding of float32
OUTSIDE = 3e-4  # of |g|² outside the span of the batch's Q-gradients: something else is in it
INSIDE = 3e-5  # of |g|²: no more is outside where it is rounding of float32 kernels
MISFIT = 3e-4  # of |g|² that the declared targets leave, before they are called others
FULL = 0.5  # of the parameters: a span of more dimensions says nothing


def trained_actions(case: Case) -> dict[str, Array]:
    """Return the actions whose Q may have been trained, integers [N], by name."""
    if case.reading.actions is None:
        return {"shown": np.zeros(len(case.batch))}
    a, Q = numbers(case.reading.actions), numbers(case.reading.outputs)
    A = Q.shape[1]
    return {
        "shown": a,
        "those of the next row": np.roll(a, -1),
        "those of the row before": np.roll(a, 1),
        "the greedy ones": Q.argmax(1) * 1.0,
        "always the first": 0 * a,
        "the shown plus one": (a + 1) % A,
        "the shown less one": (a - 1) % A,
    }


def differences(case: Case, found: Hypothesis, declared: Hypothesis) -> list[Finding]:
    """Return what the gradient shows otherwise than declared."""
    told: list[Finding] = []
    γ, columns = case.discount, case.columns
    if found.actions != declared.actions:
        told.append(finding("wrong_actions", shown=found.actions))
    if found.is_broadcast:
        told.append(finding("broadcast"))
    if found.rewards != declared.rewards:
        told.append(finding("rewards_differ", shown=found.rewards, factor=found.reward_factor))
    elif found.reward_factor != declared.reward_factor:
        shown = f"r × {found.reward_factor:.4g}"
        told.append(finding("rewards_differ", shown=shown, factor=found.reward_factor))
    if found.weights != declared.weights:
        told.append(finding("weighted", shown="the batch has weights, the gradient has none"))
    twist = found.bootstrap.partition("/")[2]
    if twist in ROLLED:
        shown = f"those of the {twist.replace('_', ' ')}"
        told.append(finding("successors_differ", shown=shown))
    elif found.bootstrap not in [h.bootstrap for h in case.declared]:
        names = " or ".join(h.bootstrap for h in case.declared[:: len(case.declared) // 2 or 1])
        hint = ": is the target a network of its own, and this the object that the loop uses?"
        if twist == "no_entropy":
            hint = ": is −η log π missing from the target?"
        elif twist == "no_minimum":
            hint = ": is the minimum over the critics missing?"
        if found.bootstrap != "none":
            told.append(finding("bootstrap_differs", shown=found.bootstrap, declared=names,
                                hint=hint))  # fmt: skip
    factor = 0.0 if found.bootstrap == "none" else found.discount_factor
    has_ends = bool(columns.terminated.any())
    if factor != 1.0 and not (columns.terminated > 0).all():
        hint = power(γ * factor, γ)
        told.append(finding("discount_differs", shown=γ * factor, declared=γ, hint=hint))
    if has_ends and found.bootstrap != "none" and found.terminal_factor != 0.0:
        told.append(finding("terminals_bootstrapped", kept=found.terminal_factor / (factor or 1.0)))
    if found.truncated_factor != 1.0 and columns.truncated.any():
        told.append(finding("truncations_masked", kept=found.truncated_factor))
    return told


def power(shown: float, discount: float) -> str:
    """Return a hint where one discount is a power of the other, or is none."""
    if abs(shown) < 1e-3:
        return ": nothing bootstraps"
    if abs(shown - 1) < 1e-4 and discount < 1:
        return ": is γ missing?"
    if 0 < shown < discount < 1:
        n = math.log(shown) / math.log(discount)
        if abs(n - round(n)) < 0.02 and round(n) > 1:
            return f" = γ^{round(n)}: {round(n)}-step returns, or γ applied {round(n)} times?"
    return ""


def projected(case: Case, gram: Gram, residual: float, unit: float) -> Explanation:
    """Return what the spans of the Q-gradients tell where no hypothesis fits."""
    N, P = len(case.batch), len(case.reading.gradient)
    shown = trained_actions(case)["shown"]
    w, explained, known, lost = gram.at(shown).project()
    result = Explanation(None, math.nan, residual, w, explained)
    if N >= FULL * P:
        return result
    outside, is_exact = 1 - explained, unit <= SINGLE
    if outside > max(OUTSIDE if is_exact else 3 * MOST**2, 3 * lost):
        if gram.num_actions > 1 and len(gram.u) < FULL * P:
            _, of_all, _, lost = gram.project()
            if lost < INSIDE and 1 - of_all < min(INSIDE, 0.1 * outside):
                told = finding(
                    "wrong_actions", shown="none of the usual slips", explained=explained
                )
                return replace(result, findings=[told])
        hint = "; it may also be another loss's, or the batch another than this one"
        old = "an old gradient or another loss, which one call cannot tell, or another batch"
        return replace(result, findings=[
            finding("gradients_accumulate", unexplained=outside, hint=hint),
            finding("other_loss", unexplained=outside, shown=old),
        ])  # fmt: skip
    is_inside = outside < max(INSIDE, 3 * lost)
    if not is_inside or residual**2 < (MISFIT if is_exact else 3 * MOST**2):
        return result
    return replace(result, findings=misfit(case, w, known > 0.99))


def misfit(case: Case, w: Array, is_known: Flags) -> list[Finding]:
    """Return what is wrong with targets that no hypothesis gives, from the slopes themselves."""
    columns = case.columns
    if is_known.sum() < max(8, 0.25 * len(w)):
        return []
    slopes = [columns.slopes(h)[:, 0] for h in case.declared]
    ends = is_known & (columns.terminated > 0)
    if ends.sum() >= 3 and (is_known & ~ends).sum() >= 3:
        for own in slopes:
            c = float(own[ends] @ w[ends]) / (float(own[ends] @ own[ends]) or 1.0)
            if c > 0 and np.allclose(w[ends], c * own[ends], atol=3e-3 * c * abs(own).max()):
                told = {"shown": "no network shown", "declared": case.declared[0].bootstrap}
                hint = "; terminal rows are right: was the target re-bound to another object?"
                return [finding("bootstrap_differs", **told, hint=hint)]
    if any(is_function_of(w[is_known], own[is_known]) for own in slopes):
        return []  # another loss of the same TD errors
    for own in slopes:
        large = is_known & (abs(own) > 1e-2 * abs(own).max())
        ratios = w[large] / own[large]
        if large.sum() >= 8 and (ratios > 0).all():
            spread = float(ratios.max() / ratios.min())
            return [finding("weighted", shown=f"by a factor that varies {spread:.3g}-fold")]
    return [finding("targets_differ")]
