"""Hold a hypothesis to the whole gradient, fit its factors to it, leave out what it needs not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qdiverge.update.auditing.audit_inputs import numbers
from qdiverge.update.auditing.case import Case, hold, tolerance
from qdiverge.update.auditing.factor_fit import FACTORS, design, take
from qdiverge.update.auditing.td_columns import Array, Hypothesis

POLISHED = 6  # rounds, at most, of the last fit
SETTLED = 1e-6  # of a factor, from one round to the next


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
        if max(steps) < SETTLED or h.loss == "half_squared":  # which is linear in them
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
