"""Read reward factor, discount and terminal factor off the gradient by least squares.

For one hypothesis (loss, bootstrap m, actions) the slopes are linear in known columns,

    w = c₀ (ω u q + ω (1−u) sign δ) + c₁ ω u r + c₂ ω u (1−d) γ m + c₃ ω u d γ m,

u the rows that Huber does not saturate under the present estimate. (FᵀKF) c = FᵀJg; then the reward
factor is −c₁/c₀, the discount's −c₂/c₀, the terminals' −c₃/c₀; repeat.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qdiverge.update.auditing.gradient_gram import Gram
from qdiverge.update.auditing.td_columns import Array, Columns, Hypothesis

ROUNDS = 8
FACTORS = ("reward_factor", "discount_factor", "terminal_factor", "truncated_factor")
RCOND = 1e-7  # of columns of unit length: less is what g's rounding leaves


def fit(columns: Columns, start: Hypothesis, gram: Gram) -> Hypothesis | None:
    """Return the hypothesis with its factors fitted; None where the scale comes out negative.

    >>> q, r, m = np.array([1.0, 2.0, 0.5, 3.0]), np.ones(4), np.array([3.0, 4.0, -1.0, 2.0])
    >>> zero = np.zeros(4)
    >>> columns = Columns({"shown": q[:, None]}, {"shown": r}, zero + 0.5, zero, zero,
    ...                   {"target_q": m}, {"shown": r})
    >>> w = q - (2 * r + 0.8 * 0.5 * m)  # rewards doubled, the discount 0.4 in 0.5's place
    >>> found = fit(columns, Hypothesis(), Gram(np.eye(4), w, float(w @ w)))
    >>> round(found.reward_factor, 6), round(found.discount_factor, 6)
    (2.0, 0.8)
    """
    now, before = start, None
    for _ in range(ROUNDS):
        F, names = design(columns, now)
        fitted = take(now, names, solve(F, gram))
        if fitted is None:
            return None
        now, read = fitted, [getattr(fitted, name) for name in FACTORS]
        if before is not None and np.allclose(read, before, rtol=1e-9, atol=1e-12):
            break
        before = read
    return now


def design(columns: Columns, h: Hypothesis, critic: int = 0) -> tuple[Array, list[str]]:
    """Return the columns of F, [N, 1 + k], and which factors the last k are."""
    q, r = columns.q[h.actions][:, critic], columns.rewards[h.rewards]
    bootstrap = columns.discounts * columns.following[h.bootstrap]
    ends, cut = columns.terminated > 0, (columns.truncated > 0) & (columns.terminated == 0)
    parts = {
        "reward_factor": r,
        "discount_factor": bootstrap * ~(ends | cut),
        "terminal_factor": bootstrap * ends,
        "truncated_factor": bootstrap * cut,
    }
    errors = q - columns.targets(h)
    free = np.abs(errors) < 1 if h.loss == "huber" else np.ones(len(q), dtype=bool)
    w = columns.weights[h.weights]
    parts = {name: w * free * part for name, part in parts.items() if np.any(free * part)}
    return np.stack([w * np.where(free, q, np.sign(errors)), *parts.values()], axis=1), list(parts)


def take(h: Hypothesis, names: list[str], c: Array | None) -> Hypothesis | None:
    """Return the hypothesis with the factors −c_k/c₀; None where the scale c₀ is not positive."""
    if c is None or c[0] <= 0:
        return None
    read = dict(zip(names, (-c[1:] / c[0]).tolist(), strict=True))
    if "truncated_factor" in read:  # is relative to the others'
        read["truncated_factor"] /= read.get("discount_factor", h.discount_factor) or 1.0
    return replace(h, **read)


def solve(F: Array, gram: Gram) -> Array | None:
    """Return c of (FᵀKF) c = Fᵀ J g, the columns scaled to unit length; None where it fails."""
    normal = F.T @ gram.K @ F
    lengths = np.sqrt(np.maximum(np.diag(normal), 0.0))
    lengths[lengths == 0] = 1.0
    try:
        c = np.linalg.lstsq(normal / np.outer(lengths, lengths), F.T @ gram.u / lengths, RCOND)[0]
    except np.linalg.LinAlgError:
        return None
    return np.asarray(c / lengths)
