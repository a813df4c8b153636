"""From a gradient to an explanation: the declared loop, else what else was trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from qdiverge.errors import UnsupportedNetworkError
from qdiverge.transitions import Transitions
from qdiverge.update.auditing.columns import Array, Columns, Flags, Hypothesis
from qdiverge.update.auditing.extras import (
    fit_two,
    is_function_of,
    other_directions,
    residual_gradient,
)
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.fit import FACTORS, design, take
from qdiverge.update.auditing.following import ROLLED
from qdiverge.update.auditing.gram import Gram, make_gram
from qdiverge.update.auditing.networks import critic_values, first_critic
from qdiverge.update.auditing.other_actions import find_actions
from qdiverge.update.auditing.reading import Reading, numbers
from qdiverge.update.auditing.search import search

ROUNDINGS = 10.0  # of one TD error, and
LAYERS = 60.0  # of one gradient, in units of the type's own rounding
SINGLE = 2e-7  # the rounding of float32
MOST = 0.1  # of |g|: what rounding may never be taken to explain
NEAR = 3e-3  # of |g|²: what fits worse in prediction space is no candidate
VERIFIED = 8  # hypotheses that are held to the whole gradient
OUTSIDE = 3e-4  # of |g|² outside the span of the batch's Q-gradients: something else is in it
INSIDE = 3e-5  # of |g|²: no more is outside where it is rounding of float32 kernels
MISFIT = 3e-4  # of |g|² that the declared targets leave, before they are called others
POLISHED = 6  # rounds, at most, of the last fit
SETTLED = 1e-6  # of a factor, from one round to the next
FULL = 0.5  # of the parameters: a span of more dimensions says nothing


@dataclass
class Case:
    """What is compared: networks, batch, gradient, and what the loop is said to do."""

    modules: Sequence[nn.Module]
    targets: Sequence[nn.Module]
    batch: Transitions
    reading: Reading
    columns: Columns
    discount: float
    declared: list[Hypothesis]
    previous: Tensor | None = None


@dataclass(frozen=True)
class Explanation:
    """What makes the gradient.

    Attributes:
        hypothesis: None where it is unknown.
        scale: What the mean loss's gradient is multiplied by.
        residual: ‖g − c Jᵀw‖/‖g‖, also what is known besides w left out.
        slopes: ∂L/∂Q, [N].
        explained: Share of ‖g‖² that is of the batch's Q-gradients.
        findings: What is wrong.
        is_clamped: Whether each entry of the gradient was clipped.
        is_small: Whether no |δ| passes 1.
    """

    hypothesis: Hypothesis | None
    scale: float
    residual: float
    slopes: Array
    explained: float
    findings: list[Finding] = field(default_factory=list)
    is_clamped: bool = False
    is_small: bool = False

    @property
    def codes(self) -> set[str]:
        """The codes of the findings."""
        return {f.code for f in self.findings}


def tolerance(columns: Columns, h: Hypothesis, unit: float) -> float:
    """Return which residual rounding may leave: of the TD error's cancellation, and of backward."""
    slopes = columns.slopes(h) * len(columns.discounts)
    size = math.sqrt(float((slopes**2).mean())) or 1e-300
    cancelled = math.sqrt(float((columns.sizes(h) ** 2).mean())) / size
    return min(unit * (ROUNDINGS * cancelled + LAYERS), MOST)


def hold(case: Case, v: Tensor) -> tuple[float, float]:
    """Return c of least ‖g − c v‖, and that over ‖g‖; in float64 where that costs little."""
    g = case.reading.gradient
    if len(g) < 300_000:
        g, v = g.double(), v.double()
    square = float(v @ v)
    if square == 0:
        return 0.0, 1.0
    scale = float(g @ v) / square
    return scale, float((g - scale * v).norm() / g.norm())


def found_by(
    case: Case, h: Hypothesis, scale: float, residual: float, **more: object
) -> Explanation:
    """Return the explanation by a hypothesis."""
    slopes = case.columns.slopes(h)[:, 0]
    errors = case.columns.q[h.actions][:, 0] - case.columns.targets(h)
    return Explanation(
        hypothesis=h, scale=scale, residual=residual, slopes=scale * slopes,
        explained=1.0 - min(residual, 1.0) ** 2, is_small=bool((abs(errors) <= 1).all()),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def match(case: Case) -> Explanation | None:
    """Return the declared loop where the gradient is its to within rounding, else None."""
    unit, g = float(torch.finfo(case.reading.gradient.dtype).eps), case.reading.gradient
    if not bool(g.any()):
        zero = np.zeros(len(case.batch))
        return Explanation(None, math.nan, math.nan, zero, math.nan)
    seen: list[Array] = []
    for h in case.declared:
        slopes = case.columns.slopes(h)
        if any(np.allclose(slopes, other, rtol=1e-9, atol=0) for other in seen):
            continue
        seen.append(slopes)
        scale, residual = hold(case, case.reading.pull(slopes))
        if scale > 0 and residual <= tolerance(case.columns, h, unit):
            return found_by(case, h, scale, residual)
    return None


def explain(case: Case) -> Explanation:
    """Look for what else makes the gradient; "unknown" where nothing stands out."""
    unit = case.reading.rounding()
    declared = [(h, case.reading.pull(case.columns.slopes(h))) for h in case.declared]
    held = [(hold(case, v), h) for h, v in declared]
    (scale, residual), best = min(held, key=lambda one: one[0][1])
    if scale > 0 and residual <= tolerance(case.columns, best, unit):
        return found_by(case, best, scale, residual)
    for look in (of_signs, clamped, with_extra, without_stop, at_other_actions):
        for h, v in declared:
            if (found := look(case, h, v, unit)) is not None:
                return found
    nothing = Explanation(None, math.nan, residual, np.full(len(case.batch), np.nan), math.nan)
    if mixes(case):
        return nothing
    try:
        module = case.modules[0]
        if case.reading.actions is None:
            module = first_critic(case.modules, case.batch.observations, case.batch.actions)
        num_actions = 1 if case.reading.actions is None else case.reading.outputs.shape[1]
        gram = make_gram(module, case.batch, num_actions, case.reading.of_first())
    except UnsupportedNetworkError:
        return nothing
    return (
        searched(case, best, gram, unit)
        or at_unknown_actions(case, gram, unit)
        or projected(case, gram, residual, unit)
    )


def mixes(case: Case) -> bool:
    """Tell whether a part in training mode makes Q of a row depend on others, or on chance."""
    random = (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)
    parts = (part for module in case.modules for part in module.modules())
    return any(isinstance(part, random) and part.training for part in parts)


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
    if int(at_limit.sum()) < 2 or bool(at_limit.all()):
        return None
    for factor in (1.0, 2.0):
        left = float((g - (factor * v).clamp(-limit, limit)).norm() / g.norm())
        if left <= tolerance(case.columns, h, unit):
            told = finding("clipped", scale=float(g.norm() / (factor * v).norm()),
                           hint=f", each entry to ±{float(limit):.3g}")  # fmt: skip
            return replace(found_by(case, h, factor, left), findings=[told], is_clamped=True)
    return None


def with_extra(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether the declared gradient and one other direction make g together."""
    g, most = case.reading.gradient, tolerance(case.columns, h, unit)
    for code, shown, x in other_directions(case.reading, case.previous):
        c, size, left = fit_two(g, v, x)
        is_other = abs(size) * float(x.norm() / g.norm()) > 10 * most
        if left <= most and c > 0 and is_other:
            share = float((g - c * v).square().sum() / g.square().sum())
            told = finding(code, unexplained=share, shown=f"it is {shown} × {size:.3g}",
                           hint=f" but {size:.3g} × {shown}")  # fmt: skip
            found = found_by(case, h, c, math.sqrt(share), findings=[told])
            return replace(found, explained=1 - share)
    return None


def without_stop(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether the gradient also flows through the target into the online network."""
    if case.reading.actions is None:
        return None
    for rule in ("q", "inverse_double_q") if case.targets else ("q",):
        for kept in (0.0, 1.0):
            now = replace(h, bootstrap=rule, terminal_factor=kept)
            whole = residual_gradient(case.reading, case.modules, case.batch, case.columns, now)
            scale, left = hold(case, whole)
            if scale > 0 and left <= tolerance(case.columns, now, unit):
                shown = "The gradient also flows through the target into the online network"
                told = [finding("no_stop_gradient", shown=shown)]
                told += differences(case, now, h)
                return found_by(case, now, scale, left, findings=told)
    return None


def at_other_actions(case: Case, h: Hypothesis, v: Tensor, unit: float) -> Explanation | None:
    """Return whether critics are trained at the actions of another row."""
    if case.reading.actions is not None:
        return None
    for by, name in ((-1, "those of the next row"), (1, "those of the row before")):
        pairs = case.batch.observations, case.batch.actions.roll(by, 0)
        outputs = critic_values(case.modules, *pairs)
        columns = replace(case.columns, q={"shown": numbers(outputs)})
        slopes = torch.as_tensor(columns.slopes(h)).to(outputs)
        scale, left = hold(case, case.reading.flat(case.reading.gradients(outputs, slopes)))
        if scale > 0 and left <= tolerance(columns, h, unit):
            told = [finding("wrong_actions", shown=name)]
            return found_by(replace(case, columns=columns), h, scale, left, findings=told)
    return None


def searched(case: Case, declared: Hypothesis, gram: Gram, unit: float) -> Explanation | None:
    """Return what fits the whole gradient to within rounding, of all that bugs are known for."""
    actions = trained_actions(case)
    if case.reading.actions is not None and gram.num_actions > 1:
        Q = numbers(case.reading.outputs)
        for name, chosen in actions.items():
            case.columns.q[name] = Q[np.arange(len(Q)), chosen.astype(int)][:, None]
    ranked = search(case.columns, declared, case.discount, gram,
                    {name: actions[name] for name in case.columns.q})  # fmt: skip
    for h, factor in product(case.declared, FACTORS):  # one number alone is off
        if h.loss == declared.loss or h.bootstrap == declared.bootstrap:
            now = polish(case, h, actions, factor)
            if now is not None and (left := verify(case, now, actions, unit)) is not None:
                told = differences(case, now, h)
                return found_by(case, now, *left, findings=told)
    kinds: dict[Hypothesis, Hypothesis] = {}
    for share, h in ranked:  # the factors are fitted anew: one of each kind will do
        if share > NEAR:
            break
        kinds.setdefault(kind_of(h), h)
    for h in list(kinds.values())[:VERIFIED]:
        for now in dict.fromkeys((h, polish(case, h, actions))):
            if now is not None and (left := verify(case, now, actions, unit)) is not None:
                now = simplest(case, now, declared, actions, unit, left[1])
                scale, residual = verify(case, now, actions, unit) or left
                told = differences(case, now, declared)
                return found_by(case, now, scale, residual, findings=told)
    return None


def kind_of(h: Hypothesis) -> Hypothesis:
    """Return the hypothesis without its factors."""
    return replace(
        h, reward_factor=0.0, discount_factor=0.0, terminal_factor=0.0, truncated_factor=0.0
    )


def at_unknown_actions(case: Case, gram: Gram, unit: float) -> Explanation | None:
    """Return whether the declared loop at some actions, one a row, makes the gradient."""
    if gram.num_actions == 1:
        return None
    Q, a = numbers(case.reading.outputs), trained_actions(case)["shown"]
    for h in case.declared:
        columns = replace(case.columns, q={"shown": Q})
        chosen = find_actions(columns.slopes(h), gram)
        at = replace(columns, q={"shown": Q[np.arange(len(Q)), chosen][:, None]})
        found = replace(case, columns=at)
        if (left := verify(found, h, {"shown": chosen * 1.0}, unit)) is not None:
            told = [
                finding("wrong_actions", shown=f"{int((chosen != a).sum())} of {len(a)} differ")
            ]
            return found_by(found, h, *left, findings=told)
    return None


def pulled(case: Case, slopes: Array, chosen: Array) -> Tensor:
    """Return Jᵀ w with J of the chosen actions, integers [N]."""
    if case.reading.actions is None:
        return case.reading.pull(slopes)
    return case.reading.pull(slopes, torch.as_tensor(chosen).to(case.reading.actions))


def verify(
    case: Case, h: Hypothesis, actions: dict[str, Array], unit: float
) -> tuple[float, float] | None:
    """Return scale and residual of a hypothesis that the whole gradient bears out."""
    scale, residual = hold(case, pulled(case, case.columns.slopes(h), actions[h.actions]))
    is_borne_out = scale > 0 and residual <= tolerance(case.columns, h, unit)
    return (scale, residual) if is_borne_out else None


def polish(
    case: Case, h: Hypothesis, actions: dict[str, Array], alone: str | None = None
) -> Hypothesis | None:
    """Return the factors fitted to the whole gradient, to the precision of its type.

    With ``alone`` that factor only, the others as they are.
    """
    if h.is_broadcast:
        return None
    now: Hypothesis | None = h
    g = case.reading.gradient.double()
    for _ in range(POLISHED):
        assert now is not None
        critics = range(case.columns.q[h.actions].shape[1])  # their targets are the same
        designs, names = zip(*(design(case.columns, now, c) for c in critics), strict=True)
        if len(set(map(tuple, names))) > 1:
            return None
        columns = np.stack(designs, axis=-1).transpose(1, 0, 2)  # [1 + k, N, C]
        free = list(names[0])
        if alone is not None:
            if alone not in free:
                return None
            columns, free = hold_others(now, columns, free, alone), [alone]
        V = torch.stack([pulled(case, F, actions[h.actions]) for F in columns]).double()
        sizes = V.norm(dim=1, keepdim=True).clamp_min(1e-300)
        V = V / sizes
        c = torch.linalg.lstsq(V @ V.T, (V @ g)[:, None], rcond=1e-12, driver="gelsd")[0][:, 0]
        before, now = now, take(now, free, numbers(c / sizes[:, 0]))
        if now is None:
            return None
        steps = [abs(getattr(now, name) - getattr(before, name)) for name in FACTORS]
        if max(steps) < SETTLED:
            break
    return now


def hold_others(h: Hypothesis, columns: Array, names: list[str], alone: str) -> Array:
    """Return the column of what is held, and that of the factor that is free, [2, N, C]."""
    held, free = columns[0].copy(), columns[1 + names.index(alone)].copy()
    for name, column in zip(names, columns[1:], strict=True):
        if name == "truncated_factor" and alone == "discount_factor":  # is relative to it
            free += h.truncated_factor * column
        elif name != alone:
            relative = h.discount_factor if name == "truncated_factor" else 1.0
            held -= relative * getattr(h, name) * column
    return np.stack([held, free])


def simplest(
    case: Case,
    found: Hypothesis,
    declared: Hypothesis,
    actions: dict[str, Array],
    unit: float,
    residual: float,
) -> Hypothesis:
    """Return ``found`` with every part that does not matter put back to the declared one."""
    now = found
    for name in (*FACTORS, "weights", "rewards", "bootstrap", "is_broadcast", "actions", "loss"):
        if getattr(now, name) == getattr(declared, name):
            continue
        back = replace(now, **{name: getattr(declared, name)})
        left = verify(case, back, actions, unit)
        if left is not None and left[1] <= max(3 * residual, 3 * unit):
            now = back
    return now


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
