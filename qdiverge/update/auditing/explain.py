"""From a gradient to an explanation: the declared loop, else what else was trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from torch import nn

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.case import WHOLE, Case, Explanation, found_by, hold, tolerance
from qdiverge.update.auditing.differences import (
    CLEAR,
    FULL,
    differences,
    power,
    projected,
    trained_actions,
)
from qdiverge.update.auditing.factor_fit import FACTORS
from qdiverge.update.auditing.findings import finding
from qdiverge.update.auditing.gradient_gram import Gram, make_gram
from qdiverge.update.auditing.loop_search import search
from qdiverge.update.auditing.moved_targets import moved_target
from qdiverge.update.auditing.other_actions import find_actions
from qdiverge.update.auditing.polish import polish, simplest, verify
from qdiverge.update.auditing.row_powers import with_row_powers
from qdiverge.update.auditing.still_calls import first_critic, moves
from qdiverge.update.auditing.td_columns import Array, Hypothesis
from qdiverge.update.auditing.whole_gradient import (
    at_other_actions,
    clamped,
    of_signs,
    with_extra,
    without_stop,
)

FAR = 3.0  # times the residual: what leaves so much more is held to be the worse explanation
NEAR = 3e-3  # of |g|²: what fits worse before its factors are fitted is no candidate
VERIFIED = 8  # hypotheses that are held to the whole gradient


def match(case: Case) -> Explanation | None:
    """Return the declared loop where the gradient is its to within rounding, else None."""
    unit, g = case.reading.unit, case.reading.gradient
    if not bool(g.any()):
        zero = np.zeros(len(case.batch))
        return Explanation(None, math.nan, math.nan, zero, math.nan)
    seen: list[Array] = []
    shrunk: Explanation | None = (
        None  # of a batch such as one row, any loss is a multiple of another
    )
    for h in case.declared:
        slopes = case.columns.slopes(h)
        if any(np.allclose(slopes, other, rtol=1e-9, atol=0) for other in seen):
            continue
        seen.append(slopes)
        scale, residual = hold(case, case.reading.pull(slopes))
        if scale > 0 and residual <= tolerance(case.columns, h, unit, slopes):
            explanation = found_by(case, h, scale, residual)
            if scale > 1 - WHOLE:
                return explanation
            shrunk = shrunk or explanation
    return shrunk


def explain(case: Case) -> Explanation:
    """Look for what else makes the gradient; "unknown" where nothing stands out."""
    unit = case.reading.rounding()
    declared = [(h, case.reading.pull(case.columns.slopes(h))) for h in case.declared]
    residuals = [(hold(case, v), h) for h, v in declared]
    (scale, residual), best = min(residuals, key=lambda one: one[0][1])
    if scale > 0 and residual <= tolerance(case.columns, best, unit):
        return found_by(case, best, scale, residual)
    for look in (of_signs, clamped, with_extra, without_stop, at_other_actions):
        for h, v in declared:
            if (moved := look(case, h, v, unit)) is not None:
                return moved
    nothing = Explanation(None, math.nan, residual, np.full(len(case.batch), np.nan), math.nan)
    inputs = [case.batch.observations]
    inputs += [case.batch.actions] if case.reading.actions is None else []
    if mixes(case.modules) or any(moves(module, *inputs) for module in case.modules):
        return nothing
    one = with_one_factor(case, best, unit)
    if one is not None and (not may_vary(case, one)):
        return one
    if one is None and (moved := moved_target(case, unit)) is not None:
        return moved
    try:
        module = case.modules[0]
        if case.reading.actions is None:
            module = first_critic(case.modules, case.batch.observations, case.batch.actions)
        num_actions = 1 if case.reading.actions is None else case.reading.outputs.shape[1]
        w = case.columns.slopes(best)
        w[:, 1:] = 0.0
        pulled = case.reading.by_parameter(case.reading.pull(w))
        gram = make_gram(module, case.batch, num_actions, pulled, w[:, 0], unit)
    except UnsupportedNetworkError:
        return one or nothing
    by_row = with_row_powers(case, gram.at(trained_actions(case)["shown"]), unit)
    if one is not None and (by_row is None or FAR * by_row.residual > one.residual):
        return one
    return (
        by_row
        or searched(case, best, gram, unit)
        or at_unknown_actions(case, gram, unit)
        or projected(case, gram, residual)
    )


def mixes(modules: Sequence[nn.Module]) -> bool:
    """Tell whether a part in training mode makes Q of a row depend on others, or on chance."""
    random = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    parts = (part for module in modules for part in module.modules())
    return any(isinstance(part, random) and part.training for part in parts)


def with_one_factor(case: Case, best: Hypothesis, unit: float) -> Explanation | None:
    """Return whether one number of the declared loop is another: γ, a mask, the rewards' scale.

    Where several are borne out, as on values near 0, the one that leaves far less than the others.
    """
    actions = trained_actions(case)
    borne_out: list[Explanation] = []
    for h, factor in product(case.declared, FACTORS):
        if h.loss == best.loss or h.bootstrap == best.bootstrap:
            now = polish(case, h, actions, factor)
            if now is not None and (left := verify(case, now, actions, unit)) is not None:
                now, left = to_power(case, now, actions, unit, left)
                findings = differences(case, now, h)
                borne_out.append(found_by(case, now, *left, findings=findings))
    if not borne_out:
        return None
    near = max(FAR * min(found.residual for found in borne_out), FAR * unit)
    return next(found for found in borne_out if found.residual <= near)


def to_power(
    case: Case, h: Hypothesis, actions: dict[str, Array], unit: float, left: tuple[float, float]
) -> tuple[Hypothesis, tuple[float, float]]:
    """Return ``h`` with the discount the next power of γ, where that is borne out as well."""
    γ, factor = case.discount, h.discount_factor
    if not (0 < γ < 1 and 0 < γ * factor < 1):
        return h, left
    exact = replace(h, discount_factor=γ ** (round(math.log(γ * factor) / math.log(γ)) - 1))
    at_power = verify(case, exact, actions, unit)
    if at_power is None or at_power[1] > max(FAR * left[1], FAR * unit):
        return h, left
    return exact, at_power


def may_vary(case: Case, found: Explanation) -> bool:
    """Return whether what was found is a γ that no power of the declared one gives."""
    h, γ = found.hypothesis, case.discount
    if h is None or h.discount_factor == 1.0:
        return False
    return not power(γ * h.discount_factor, γ)


def searched(case: Case, declared: Hypothesis, gram: Gram, unit: float) -> Explanation | None:
    """Return what fits the whole gradient to within rounding, of all that bugs are known for."""
    actions = trained_actions(case)
    if case.reading.actions is not None and gram.num_actions > 1:
        Q = numbers(case.reading.outputs)
        for name, chosen in actions.items():
            case.columns.q[name] = Q[np.arange(len(Q)), chosen.astype(int)][:, None]
    ranked = search(case.columns, declared, case.discount, gram,
                    {name: actions[name] for name in case.columns.q})  # fmt: skip
    kinds: dict[Hypothesis, Hypothesis] = {}
    for share, h in ranked:  # the factors are fitted anew: one of each kind will do
        if share > NEAR:
            break
        kinds.setdefault(kind_of(h), h)
    for now in by_simplicity(case, list(kinds.values())[:VERIFIED], declared, actions):
        if now is not None and (left := verify(case, now, actions, unit)) is not None:
            now = simplest(case, now, declared, actions, unit, left[1])
            scale, residual = verify(case, now, actions, unit) or left
            findings = differences(case, now, declared)
            return found_by(case, now, scale, residual, findings=findings)
    return None


def by_simplicity(
    case: Case, kinds: list[Hypothesis], declared: Hypothesis, actions: dict[str, Array]
) -> Iterator[Hypothesis | None]:
    """Yield each kind with the declared factors, then with one fitted, then as fitted at first."""
    plain = [replace(h, **{name: getattr(declared, name) for name in FACTORS}) for h in kinds]
    yield from plain
    for h, factor in product(plain, FACTORS):
        yield polish(case, h, actions, factor)
    for h in kinds:
        yield from dict.fromkeys((h, polish(case, h, actions)))


def kind_of(h: Hypothesis) -> Hypothesis:
    """Return the hypothesis without its factors."""
    return replace(
        h, reward_factor=0.0, discount_factor=0.0, terminal_factor=0.0, truncated_factor=0.0
    )


def at_unknown_actions(case: Case, gram: Gram, unit: float) -> Explanation | None:
    """Return whether the declared loop at some actions, one a row, makes the gradient."""
    if gram.num_actions == 1 or not may_be_of_others(case, gram):
        return None
    Q, a = numbers(case.reading.outputs), trained_actions(case)["shown"]
    for h in case.declared:
        columns = replace(case.columns, q={"shown": Q})
        chosen = find_actions(columns.slopes(h), gram)
        at = replace(columns, q={"shown": Q[np.arange(len(Q)), chosen][:, None]})
        trained = replace(case, columns=at)
        if (left := verify(trained, h, {"shown": chosen * 1.0}, unit)) is not None:
            told = [
                finding("wrong_actions", shown=f"{int((chosen != a).sum())} of {len(a)} differ")
            ]
            return found_by(trained, h, *left, findings=told)
    return None


def may_be_of_others(case: Case, gram: Gram) -> bool:
    """Return whether g is in the span of all actions' Q-gradients, and not in the shown ones'."""
    num_free = FULL * len(case.reading.gradient)
    shown = gram.at(trained_actions(case)["shown"])
    if len(shown.u) < num_free and 1 - shown.project().explained <= gram.floor**2:
        return False
    return len(gram.u) >= num_free or 1 - gram.project().explained <= CLEAR * gram.floor**2
