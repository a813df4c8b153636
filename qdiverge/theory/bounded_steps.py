"""Does what grows go on growing where each step is bounded: by Huber's loss, clipping, or Adam?

A mode that grows because the step is too large for it stops once the step no longer grows with the
errors. What excites itself at every smaller step goes on, by a bounded amount per update.
"""

import torch
from torch import Tensor

_ROUNDS = 50
_HALVINGS = 24  # of a step, down to one that is small beside the target's pace
_SMALL = 0.01  # of a step times the fastest rate times the updates that a target lags behind
_TIE = 1e-9  # of the largest: what counts as no motion


def has_saturated_ray(
    K: Tensor, successors: Tensor, weights: Tensor, greedy_actions: Tensor
) -> bool:
    """Return whether TD errors beyond the clip of Huber's loss are driven ever further out.

    Far out ψ(δ) = s, the signs of δ, and an update moves δ by α y, y = (K'_w − K)D s, with a the
    actions whose values K'_a D s grow most. Where s = sign y in every row, δ = ty grows for ever,
    whatever the momentum and the target network: their lag becomes small beside t.

    Args:
        K: kernel ``[N, N]``.
        successors: K'_a ``[N, A, N]``, or ``[N, N]``.
        weights: D ``[N]``, of the samples, as if none were clipped.
        greedy_actions: to begin with ``[N]``.

    Returns:
        Whether such signs were found, by iteration from those of each row's own push.

    >>> one = torch.ones(1, 1, dtype=torch.float64)  # w → 2w
    >>> zero = torch.zeros(1, dtype=torch.int64)
    >>> [has_saturated_ray(one, 2 * γ * one, one[0], zero) for γ in (0.4, 0.6)]
    [False, True]
    """
    K, D = K.double(), weights.double().to(K.device)
    K_next = successors.double()
    K_next = K_next[:, None, :] if K_next.ndim == 2 else K_next
    rows = torch.arange(len(K), device=K.device)

    starts = [torch.ones_like(D)]
    A = (K_next[rows, greedy_actions.to(K.device)] - K) * D
    growing, vectors = torch.linalg.eig(A)
    starts.append(vectors[:, growing.real.argmax()].real.sign())
    for start in (sign * s for s in starts for sign in (1.0, -1.0)):
        s = start
        for _ in range(_ROUNDS):
            y = (K_next @ (D * s)).amax(1) - K @ (D * s)
            moved = y.sign()
            if bool((y.abs() > _TIE * y.abs().max()).all()) and torch.equal(moved, s):
                return True
            if torch.equal(moved, s):
                break
            s = moved
    return False


def shrinks_however_clipped(
    K: Tensor, successors: Tensor, weights: Tensor, learning_rate: float
) -> bool:
    """Prove that gradient descent shrinks the TD errors whichever of them Huber's loss clips.

    δ ← δ + X_w ψ(δ), X = α(K'_w − K)D, with ψ(δ_j) = s_j δ_j, 0 < s_j ≤ 1: a factor to each column.
    So Σ u_i |δ_i| shrinks, whatever s and w, where for some u > 0 in every column

        u_j min_a min(−X_{a,jj}, 2 + X_{a,jj}) > Σ_{i≠j} u_i max_a |X_{a,ij}|,

    that is where the matrix of the two sides is an M-matrix. A spectral radius below 1 is not
    enough: a row that is clipped no longer pulls, while others push it.

    Args:
        K: kernel ``[N, N]``.
        successors: K'_a ``[N, A, N]``, or ``[N, N]``.
        weights: D ``[N]``, of the samples, as if none were clipped.
        learning_rate: α.

    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> [shrinks_however_clipped(one, 2 * γ * one, one[0], 0.1) for γ in (0.4, 0.6)]
    [True, False]
    """
    K_next = successors[:, None, :] if successors.ndim == 2 else successors
    X = learning_rate * (K_next - K[:, None, :]).double() * weights.double().to(K.device)
    own = X.diagonal(dim1=0, dim2=2).T  # [N, A]
    comparison = -X.abs().amax(1)
    comparison.diagonal().copy_(torch.minimum(-own, 2 + own).amin(1))
    if not bool((comparison.diagonal() > 0).all()):
        return False
    u, info = torch.linalg.solve_ex(comparison.T, torch.ones_like(comparison[0]))
    return int(info) == 0 and bool((u > 0).all() and torch.isfinite(u).all())


def smaller_steps(fastest: float, lag: float) -> list[float]:
    """Return the factors ½, ¼, … on a step, down to where a target no longer lags behind it.

    Args:
        fastest: α λ, of the fastest mode on fixed targets.
        lag: updates that the target lags behind.

    >>> smaller_steps(0.04, 1.0)
    [0.5, 0.25, 0.125]
    """
    factors: list[float] = []
    while len(factors) < _HALVINGS and fastest * lag * (factors[-1] if factors else 1.0) > _SMALL:
        factors.append((factors[-1] if factors else 1.0) / 2)
    return [*factors, (factors[-1] if factors else 1.0) / 2]
