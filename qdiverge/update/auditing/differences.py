"""What differs between the loop that was found and the one that was declared, in findings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.case import Case, Explanation
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.following import ROLLED
from qdiverge.update.auditing.gradient_gram import Gram
from qdiverge.update.auditing.misfit import misfit
from qdiverge.update.auditing.td_columns import Array, Hypothesis

CLEAR = 4.0  # of rounding's share of |g|²: more outside the span is something else
# of |g|, see gradient_gram.py. A re-bound network's targets left 8e-3 to 0.24, noisy rewards .09
# to .98.
MISFIT = 1e-3  # of |g| that the declared targets leave, before they are called others
NOTHING = 1e-3  # a γ so small is none
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
    findings: list[Finding] = []
    γ, columns = case.discount, case.columns
    if found.actions != declared.actions:
        findings.append(finding("wrong_actions", shown=found.actions))
    if found.is_broadcast:
        findings.append(finding("broadcast"))
    if found.rewards != declared.rewards:
        findings.append(finding("rewards_differ", shown=found.rewards, factor=found.reward_factor))
    elif found.reward_factor != declared.reward_factor:
        shown = f"r × {found.reward_factor:.4g}"
        findings.append(finding("rewards_differ", shown=shown, factor=found.reward_factor))
    if found.weights != declared.weights:
        findings.append(finding("weighted", shown="the batch has weights, the gradient has none"))
    twist = found.bootstrap.partition("/")[2]
    if twist in ROLLED:
        shown = f"those of the {twist.replace('_', ' ')}"
        findings.append(finding("successors_differ", shown=shown))
    elif found.bootstrap not in [h.bootstrap for h in case.declared]:
        names = " or ".join(h.bootstrap for h in case.declared[:: len(case.declared) // 2 or 1])
        hint = ": is the target a network of its own, and this the object that the loop uses?"
        if twist == "no_entropy":
            hint = ": is −η log π missing from the target?"
        elif twist == "no_minimum":
            hint = ": is the minimum over the critics missing?"
        if found.bootstrap != "none":
            findings.append(finding("bootstrap_differs", shown=found.bootstrap, declared=names,
                                hint=hint))  # fmt: skip
    factor = 0.0 if found.bootstrap == "none" else found.discount_factor
    has_ends = bool(columns.terminated.any())
    if factor != 1.0 and not (columns.terminated > 0).all():
        hint = power(γ * factor, γ)
        findings.append(finding("discount_differs", shown=γ * factor, declared=γ, hint=hint))
    if has_ends and found.bootstrap != "none" and found.terminal_factor != 0.0:
        terminal_share = share_kept(found.terminal_factor, factor)
        findings.append(finding("terminals_bootstrapped", kept=terminal_share))
    if found.truncated_factor != 1.0 and columns.truncated.any():
        findings.append(finding("truncations_masked", kept=found.truncated_factor))
    return findings


def share_kept(of_ends: float, of_live: float) -> float:
    """Return the share of their bootstrap that terminal states keep.

    Args:
        of_ends: What multiplies γ max Q' at the end of an episode.
        of_live: Elsewhere; where it is nothing but rounding, the share is of the declared γ.

    >>> share_kept(0.9, 0.9), share_kept(0.9, -3e-7)
    (1.0, 0.9)
    """
    return of_ends / (of_live if abs(of_live) > NOTHING else 1.0)


def power(shown: float, discount: float) -> str:
    """Return a hint where one discount is a power of the other, or is none."""
    if abs(shown) < NOTHING:
        return ": nothing bootstraps"
    if abs(shown - 1) < 1e-4 and discount < 1:
        return ": is γ missing?"
    if 0 < shown < discount < 1:
        n = math.log(shown) / math.log(discount)
        if abs(n - round(n)) < 0.02 and round(n) > 1:
            return f" = γ^{round(n)}: {round(n)}-step returns, or γ applied {round(n)} times?"
    return ""


def projected(case: Case, gram: Gram, residual: float) -> Explanation:
    """Return what the spans of the Q-gradients tell where no hypothesis fits."""
    N, P = len(case.batch), len(case.reading.gradient)
    seen = gram.at(trained_actions(case)["shown"]).project()
    result = Explanation(None, math.nan, residual, seen.w, seen.explained)
    if N >= FULL * P:
        return result
    outside = 1 - seen.explained
    if outside > max(CLEAR * gram.floor**2, 3 * seen.lost):
        if gram.num_actions > 1 and len(gram.u) < FULL * P:
            of_all = gram.project()
            left = 1 - of_all.explained
            if max(left, 3 * of_all.lost) < min(gram.floor**2, outside / 10):
                projection = finding(
                    "wrong_actions", shown="none of the usual slips", explained=seen.explained
                )
                return replace(result, findings=[projection])
        hint = "; it may also be another loss's, or the batch another than this one"
        old = "an old gradient or another loss, which one call cannot tell, or another batch"
        return replace(result, findings=[
            finding("gradients_accumulate", unexplained=outside, hint=hint),
            finding("other_loss", unexplained=outside, shown=old),
        ])  # fmt: skip
    if outside > gram.floor**2 or residual < max(MISFIT, 3 * gram.floor):
        return result
    return replace(result, findings=misfit(case, seen))
