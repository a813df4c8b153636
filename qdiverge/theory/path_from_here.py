"""Does the linear system grow from where it is now, while the greedy actions switch as they do?

A mode that keeps its greedy actions grows from an open set of starts. The present one may lie on
the mode's other side, or beyond a switch, and come to rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qdiverge.theory.descent import Descent

ENOUGH = 1e4  # times as large as at the start: it grows
_MOST = 3000  # updates
_WORK = 6e7  # multiplications
_ALIGNED = 0.99  # cosine of two changes of a single mode
_REST = 1e-9  # of the largest step so far: it has come to rest

_Floats = np.ndarray[Any, np.dtype[np.float64]]
_Whole = np.ndarray[Any, np.dtype[np.int64]]
_Pick = Callable[..., _Whole]


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run is: its values, and how its parameters move, in prediction space.

    Attributes:
        rewards: r ``[N]``, or what else is in a target beside the bootstrap.
        own: Q(s_i, a_i) ``[N]``.
        online: γ_i(1 − d_i) Q(s'_i, a) ``[N, A]``.
        target: the same of the target network ``[N, A]``.
        velocity: (J v, γ(1 − d) J' v) ``[N (1 + A)]``, v the optimiser's velocity.
        weights: (J θ, γ(1 − d) J' θ) ``[N (1 + A)]``, which decay moves; or 0.
    """

    rewards: Tensor
    own: Tensor
    online: Tensor
    target: Tensor
    velocity: Tensor
    weights: Tensor


def grows_from(
    start: Start,
    K: Tensor,
    successors: Tensor,
    weights: Tensor,
    descent: Descent,
    period: int = 1,
    polyak: float | None = None,
    *,
    selects_online: bool = False,
    evaluates_online: bool = True,
    is_least: bool = False,
) -> tuple[bool, int]:
    """Follow the piecewise linear system, update by update, until it grew ``ENOUGH``-fold.

    A slower growth counts where at the end all that changes is one mode, growing, in which the
    present actions stay greedy.

        v ← μ v + κ G,   G = (K, K'_a) D e − λ_c Jθ,   e = r + b_{a(i)} − q
        (q, γQ') ← (q, γQ') + α V − αλ_d Jθ

    with the target's values b copied, or averaged, every C updates, and a(i) the greedy action.

    Args:
        start: where the run is.
        K: kernel ``[N, N]``.
        successors: K'_a ``[N, A, N]``.
        weights: D ``[N]``.
        descent: the optimiser's.
        period: C.
        polyak: τ; None: copied.
        selects_online: the network that learns selects a(i), not its target.
        evaluates_online: it evaluates a(i), too.
        is_least: the least value is selected, as of critics, not the greatest.

    Returns:
        Whether it grew so, and after how many updates; or within how many it did not, or came to
        rest.

    >>> one = torch.ones(1, 1, dtype=torch.float64)  # w → 2w, or 0.5w: below 0 that
    >>> ahead = 0.99 * torch.tensor([[[2.0], [0.5]]], dtype=torch.float64)
    >>> for w in (1.0, -1.0):
    ...     values, none = w * ahead[:, :, 0], torch.zeros(3, dtype=torch.float64)
    ...     start = Start(none[:1], w * one[0], values, values, none, none)
    ...     grows_from(start, one, ahead, one[0], Descent(0.1))
    (True, 99)
    (False, 401)
    """
    N, A, d = len(K), successors.shape[1], descent
    M = np.concatenate([_array(K), _array(successors).reshape(N * A, N)])
    x, h, v = (_array(x).copy() for x in (_joined(start), start.weights, start.velocity))
    b, r, D, rows = _array(start.target).copy(), _array(start.rewards), _array(weights), range(N)
    most = max(300, min(_MOST, int(_WORK / M.size)))
    limit = ENOUGH * max(float(np.abs(x[:N]).max()), float(np.abs(r).max()), 1e-6)
    pick = np.argmin if is_least else np.argmax
    share, largest = 1.0 if polyak is None else polyak, 0.0
    window = -(-most // (4 * period)) * period  # whole periods
    seen: list[_Floats] = []
    switched, before = 0, None
    with np.errstate(over="ignore", invalid="ignore"):
        for t in range(1, most + 1):
            y = x[N:].reshape(N, A)
            chosen = pick(y if selects_online else b, axis=1)
            if before is None or (chosen != before).any():
                switched, before = t, chosen
            e = r + (y if evaluates_online else b)[rows, chosen] - x[:N]
            G = M @ (D * e) - d.coupled_decay * h
            step = d.learning_rate * (d.direct * G + d.carried * v - d.decay * h)
            v = d.momentum * v + d.gain * G
            x += step
            if d.has_decay:
                h += step
            if t % period == 0:
                b += share * (x[N:].reshape(N, A) - b)
            if not float(np.abs(x[:N]).max()) < limit:
                return True, t
            size = float(np.abs(step).max())
            largest = max(largest, size)
            if size < _REST * largest and period == 1:
                return False, t
            if t % window == 0:
                seen.append(x.copy())
    if before is None or len(seen) < 3 or switched > (len(seen) - 2) * window:
        return False, most
    return _is_on_a_growing_mode(seen[-3:], before, N, pick), most


def _is_on_a_growing_mode(seen: list[_Floats], chosen: _Whole, size: int, pick: _Pick) -> bool:
    """Return whether what changes grows along one direction, in which the actions stay greedy."""
    first, second = seen[1] - seen[0], seen[2] - seen[1]
    lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    if not 0 < lengths[0] < lengths[1] or first @ second < _ALIGNED * lengths[0] * lengths[1]:
        return False
    ahead = second[size:].reshape(size, -1)
    kept = ahead[np.arange(size), chosen]
    most = ahead.min(1) if pick is np.argmin else ahead.max(1)
    return bool((np.abs(most - kept) <= 1e-9 * np.abs(ahead).max()).all())


def _joined(start: Start) -> Tensor:
    """Return (q, γQ') as one vector."""
    return torch.cat([start.own.flatten().double(), start.online.flatten().double()])


def _array(tensor: Tensor) -> np.ndarray:
    """Return float64, with finite numbers for values that a mask has put beyond all others."""
    array = tensor.detach().cpu().double().numpy()
    return np.nan_to_num(array, nan=0.0, posinf=1e30, neginf=-1e30)
