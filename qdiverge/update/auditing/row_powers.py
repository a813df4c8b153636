"""Find an undeclared n-step return of which some rows are shorter: γ^k_i with k_i ≤ n.

A replay cuts a return short at an episode's end, at a time limit and before its newest row. Then no
one γ fits, and what is left looks like other targets. If all else is as declared, the slope of row
i is w_ik = ψ(Q_i − r_i − γ^k (1 − d_i) m_i)/N for one k a row, as it is w_ia for one action a row
in :mod:`qdiverge.update.auditing.other_actions`: from k = n everywhere the one change that explains
most is made until none explains more; then of two rows at once, where rows are nearly alike.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from qdiverge.update.auditing.case import Case, Explanation, found_by, hold, tolerance
from qdiverge.update.auditing.findings import finding
from qdiverge.update.auditing.gradient_gram import Gram
from qdiverge.update.auditing.other_actions import FOUND, after_swaps, swapped
from qdiverge.update.auditing.td_columns import Array, Columns, Hypothesis

LONGEST = 10  # steps
STARTS = 3  # lengths n from which rows are changed, with the declared loops
SHORT = 0.5  # of the rows, less than which may be shorter
NEAR = 0.3  # of ‖g‖²: what all rows at n steps may leave
STUCK = 1e-4  # of ‖g‖²: where less is left, two rows are changed at once
LONGER = 3  # steps that a row may take beyond n on the way, though not in the end
PAIRS = 4  # such changes, at most


def with_row_powers(case: Case, gram: Gram, unit: float) -> Explanation | None:
    """Return whether an n-step return, shorter in fewer than half of the rows, makes the gradient.

    Args:
        case: What is compared.
        gram: K and J g of the shown pairs.
        unit: The unit of rounding.
    """
    γ, columns = case.discount, case.columns
    if not 0 < γ < 1 or (columns.discounts != γ).any():
        return None
    starts = []
    for h, n in product(case.declared, range(2, LONGEST + 1)):
        w = of_power(columns, γ, n).slopes(h)[:, 0]
        starts.append((float(gram.unexplained(w[None])[0]), n, h))
    for left, n, h in sorted(starts, key=lambda start: start[0])[:STARTS]:
        if left > NEAR:
            break
        k = find_powers(columns, h, γ, gram, n)
        if (k > n).any():
            continue
        hypothesis = replace(h, discount_factor=γ ** (n - 1))
        at = replace(case, columns=of_power(columns, γ, k - n + 1))
        slopes = at.columns.slopes(hypothesis)
        scale, residual = hold(at, case.reading.pull(slopes))
        if scale > 0 and residual <= tolerance(at.columns, hypothesis, unit, slopes):
            shorter = int((k < n).sum())
            also = f", shorter in {shorter} of {len(k)} rows" if shorter else ""
            hint = f" = γ^{n}: {n}-step returns{also}?"
            told = finding("discount_differs", shown=γ**n, declared=γ, hint=hint)
            return found_by(at, hypothesis, scale, residual, findings=[told])
    return None


def find_powers(columns: Columns, h: Hypothesis, discount: float, gram: Gram, n: int) -> Array:
    """Return the powers of γ, [N] and mostly n, with which ``h`` explains most of the gradient.

    >>> q, r, m = np.array([1.0, 2.0, 0.5]), np.ones(3), np.array([3.0, 4.0, -5.0])
    >>> zero = np.zeros(3)
    >>> columns = Columns({"shown": q[:, None]}, {"shown": r}, zero + 0.5, zero, zero,
    ...                   {"target_q": m}, {"shown": r})
    >>> w = q - (r + 0.5 ** np.array([3, 3, 2]) * m)
    >>> find_powers(columns, Hypothesis(), 0.5, Gram(np.eye(3), w, float(w @ w)), 3)
    array([3, 3, 2])
    """
    powers = np.arange(1, n + 1 + LONGER)
    each = [of_power(columns, discount, int(k)).slopes(h)[:, 0] for k in powers]
    w = np.stack(each, axis=1).reshape(-1)
    N, A = len(gram.u), len(powers)
    B = np.kron(gram.K, np.ones((A, A))) * np.outer(w, w)
    b = np.repeat(gram.u, A) * w
    best = swapped(B, b, np.full(N, n - 1), A, num_swaps=int(SHORT * N))
    for _ in range(PAIRS):
        left = 1 - best[0] / gram.square
        if not FOUND < left < STUCK:
            break
        better = swapped(B, b, by_two(B, b, best[1], A), A, num_swaps=int(SHORT * N))
        if better[0] <= best[0]:
            break
        best = better
    return np.asarray(powers[best[1]])


def of_power(columns: Columns, discount: float, k: Array | int) -> Columns:
    """Return the columns with γ^k in the place of γ, k a number or one of each row."""
    return replace(columns, discounts=np.full(len(columns.discounts), discount) ** k)


def by_two(B: Array, b: Array, now: Array, A: int) -> Array:
    """Return the choice after the best change of two rows at once."""
    best, chosen = -np.inf, now
    for i, k in product(range(len(now)), range(A)):
        held = now.copy()
        held[i] = k
        share = after_swaps(B, b, held, A)
        share[i] = -np.inf
        j, a = np.unravel_index(int(share.argmax()), share.shape)
        if share[j, a] > best:
            best, chosen = float(share[j, a]), held
            chosen[j] = a
    return chosen
