"""Find the actions that a loop trained in the place of those shown, row by row.

If all but the actions is as declared, the slope of row i at action a is
w_ia = ψ(Q(s_i, a) − y_i)/N, and g = c Σ_i w_{i a_i} ∇Q(s_i, a_i) for one action a_i a row. Least
squares in the place of the choice gives a start, with z_ia ≥ 0 where it does not without; then the
one change that explains most is made until none explains more.
"""

from __future__ import annotations

import numpy as np

from qdiverge.update.auditing.gradient_gram import COARSE, CUT, Gram
from qdiverge.update.auditing.td_columns import Array

FOUND = 1e-9  # of |g|²: what the right actions leave is less


def find_actions(slopes: Array, gram: Gram) -> Array:
    """Return the actions, integers [N], under which ``slopes`` explain most of the gradient.

    Args:
        slopes: w_ia, [N, A].
        gram: K [N A, N A] and J g.

    >>> w = np.array([[1.0, 2.0], [3.0, 1.0]])
    >>> g = np.array([0.0, 2.0, 3.0, 0.0])  # by action 1 of the first row, 0 of the second
    >>> find_actions(w, Gram(np.eye(4), g, 13.0, 2))
    array([1, 0])
    """
    N, A = slopes.shape
    w = slopes.reshape(-1)
    B, b = gram.K * np.outer(w, w), gram.u * w
    best: tuple[float, Array] = (-np.inf, np.zeros(N))
    for start in (least_squares, non_negative):
        best = max(best, swapped(B, b, start(B, b).reshape(N, A).argmax(1), A), key=lambda x: x[0])
        if best[0] > (1 - FOUND) * gram.square:
            break
    return best[1]


def swapped(
    B: Array, b: Array, start: Array, A: int, num_swaps: int | None = None
) -> tuple[float, Array]:
    """Return how much of ‖g‖² is explained, and by which actions, after the swaps that help.

    At most ``num_swaps``; None: four a row.
    """
    now, N = start.copy(), len(start)
    at = np.arange(N) * A + now
    best = max(float(b[at].sum()), 0.0) ** 2 / max(float(B[np.ix_(at, at)].sum()), 1e-300)
    for _ in range(4 * N if num_swaps is None else num_swaps):
        share = after_swaps(B, b, now, A)
        i, a = np.unravel_index(int(share.argmax()), share.shape)
        if share[i, a] <= best * (1 + 1e-12):
            break
        best, now[i] = float(share[i, a]), a
    return best, now


def after_swaps(B: Array, b: Array, now: Array, A: int) -> Array:
    """Return how much of ‖g‖² is explained after each change of one row, [N, A]."""
    N = len(now)
    rows, own = np.arange(N), np.diag(B).reshape(N, A)
    at = rows * A + now
    along = b[at].sum() - b[at][:, None] + b.reshape(N, A)
    pulled = B[:, at].sum(1)
    size = pulled[at].sum() + 2 * (pulled.reshape(N, A) - pulled[at][:, None]) + own
    size += own[rows, now][:, None] - 2 * B[:, at].reshape(N, A, N)[rows, :, rows]
    return np.asarray(np.where(along > 0, along**2 / np.maximum(size, 1e-300), -1.0))


def least_squares(B: Array, b: Array) -> Array:
    """Return z of least zᵀBz − 2bᵀz: the choice itself where J's rows differ enough."""
    values, vectors = np.linalg.eigh((B + B.T) / 2)
    kept = values > CUT * values[-1]
    return np.asarray(vectors[:, kept] @ ((vectors[:, kept].T @ b) / values[kept]))


def non_negative(B: Array, b: Array) -> Array:
    """Return z ≥ 0 of the same."""
    from scipy.optimize import nnls  # half a second, and only where a loop is wrong

    values, vectors = np.linalg.eigh((B + B.T) / 2)
    kept = values > 0.01 * COARSE * values[-1]
    roots = np.sqrt(values[kept])
    A = roots[:, None] * vectors[:, kept].T
    try:
        return np.asarray(nnls(A, (vectors[:, kept].T @ b) / roots, maxiter=10 * len(b))[0])
    except RuntimeError:  # too many rounds: any start will do
        return np.zeros(len(b))
