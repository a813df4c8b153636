"""Does what grows go on growing where each step is bounded: by Huber's loss, clipping, or Adam?

A mode that grows because the step is too large for it stops once the step no longer grows with the
errors. What excites itself at every smaller step goes on, by a bounded amount per update.
"""

import torch
from torch import Tensor

_ROUNDS = 50
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
