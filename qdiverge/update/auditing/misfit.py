"""Name what is wrong with targets that no hypothesis gives, from the slopes w themselves.

Three causes leave the gradient in the span of the batch's Q-gradients: a target network that nobody
declared, in which case terminal rows, which do not bootstrap, are right; weights that were not
shown, w_i = a_i w°_i with a_i > 0 of the declared w°; and other targets, w_i = c w°_i + e_i. The
last two are told apart by the likelihood of independent normal a_i against that of such e_i.
"""

from __future__ import annotations

import numpy as np

from qdiverge.update.auditing.case import Case
from qdiverge.update.auditing.extra_terms import is_function_of
from qdiverge.update.auditing.findings import Finding, finding
from qdiverge.update.auditing.gradient_gram import Projection
from qdiverge.update.auditing.td_columns import Array, Flags

# of the largest slope: one in doubt by more tells nothing; half of them were known to 7e-4 or
# better in 144 loops of 12 networks, batches of 32 and 128, worst for an LSTM at 128
KNOWN = 3e-3
EQUAL = 1e-4  # of the same: slopes are the same
CERTAIN = 1e-3  # chance that right terminal rows are so by accident
TINY = 1e-2  # of the largest slope: of smaller ones no ratio is taken


def misfit(case: Case, seen: Projection) -> list[Finding]:
    """Return what is wrong; nothing where too few slopes are known, or the loss is another."""
    size = float(abs(seen.w).max())
    is_known = seen.error < KNOWN * size
    if is_known.sum() < max(8, 0.25 * len(seen.w)):
        return []
    w = seen.w[is_known]
    ends = case.columns.terminated[is_known] > 0
    within = 3 * seen.error[is_known] + EQUAL * size
    slopes = [case.columns.slopes(h)[is_known, 0] for h in case.declared]
    for own in slopes:
        if chance_of(w[ends], own[ends], within[ends] / size, is_free(own)[ends]) < CERTAIN:
            evidence = {"shown": "no network shown", "declared": case.declared[0].bootstrap}
            hint = "; terminal rows are right: was the target re-bound to another object?"
            return [finding("bootstrap_differs", **evidence, hint=hint)]
    if any(is_function_of(w, own) for own in slopes):
        return []  # another loss of the same TD errors
    if any(keeps_clipped(w, own) for own in slopes):
        return [finding("targets_differ")]
    for own in slopes:
        if (ratios := weights_of(w, own)) is not None:
            spread = float(ratios.max() / ratios.min())
            return [finding("weighted", shown=f"by a factor that varies {spread:.3g}-fold")]
    return [finding("targets_differ")]


def is_free(own: Array) -> Flags:
    """Return the rows whose slope any other target would move: those that Huber does not clip."""
    largest = abs(own).max()
    clipped = abs(own) > (1 - 1e-9) * largest
    return ~clipped if clipped.sum() > 1 else np.ones(len(own), dtype=bool)


def chance_of(w: Array, own: Array, within: Array, free: Flags) -> float:
    """Return how likely other targets would agree with the declared ones so well; 1: they do not.

    Args:
        w: Slopes, [n].
        own: The declared ones, but for one scale.
        within: Of the largest slope: what counts as the same, [n].
        free: Rows whose agreement says something.

    >>> own, every = np.array([1.0, 2.0, -1.0]), np.ones(3, dtype=bool)
    >>> within = np.full(3, 1e-3)
    >>> chance_of(2 * own, own, within, every) < 1e-3
    True
    >>> chance_of(2 * own, own, within, ~every), chance_of(own**2, own, within, every)
    (1.0, 1.0)
    """
    square = float(own @ own)
    c = float(own @ w) / square if square else 0.0
    if c <= 0 or (abs(w - c * own) > within * max(abs(w).max(), abs(c * own).max())).any():
        return 1.0
    by_chance = np.sort(np.minimum(2 * within[free], 1.0))
    if free.all():  # one of them gives the scale
        by_chance = by_chance[:-1]
    return float(np.prod(by_chance))


def keeps_clipped(w: Array, own: Array) -> bool:
    """Return whether the rows that Huber clips are as declared, as other targets leave most.

    >>> own = np.array([1.0, -1.0, 1.0, 0.5])
    >>> keeps_clipped(np.array([2.0, -2.0, 2.0, 0.3]), own), keeps_clipped(own * [1, 2, 3, 4], own)
    (True, False)
    """
    ratios = (w / np.where(own == 0, 1.0, own))[~is_free(own)]
    return len(ratios) > 2 and bool(np.ptp(ratios) < EQUAL * abs(ratios).max())


def weights_of(w: Array, own: Array) -> Array | None:
    """Return the weights a of w = a w°, where these explain w better than other targets.

    >>> own, a = np.array([1.0, -2.0, 0.5, 3.0] * 3), np.array([1.0, 2.0, 3.0] * 4)
    >>> weights_of(a * own, own) is not None, weights_of(own + 0.1 * a, own) is not None
    (True, False)
    """
    large = abs(own) > TINY * abs(own).max()
    if large.sum() < 8:
        return None
    ratios, own, w = w[large] / own[large], own[large], w[large]
    if (ratios <= 0).any():
        return None
    c = float(own @ w) / float(own @ own)
    by_targets = len(w) * np.log((w - c * own).std() + 1e-300)
    by_weights = len(w) * np.log(ratios.std() + 1e-300) + np.log(abs(own)).sum()
    return ratios if by_weights < by_targets else None
