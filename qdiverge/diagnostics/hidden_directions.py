"""Do parameters move along what rounding hides of a kernel?

A direction whose share of K is below float32's rounding looks like one that nothing moves, such as
that of a repeated pair. Yet its own gradient Jᵀc shows, down to the square of that share.
"""

import torch
from torch import Tensor

from qdiverge.diagnostics.linear_path import Part
from qdiverge.diagnostics.moment import Moment
from qdiverge.generators import same_generators

_MARGIN = 64  # of rounding, in a gradient that is a sum of N
_SEED = 0


def hides_motion(moment: Moment, K: Tensor, weights: Tensor) -> bool:
    """Return whether parameters move along directions that K, as it is rounded, leaves out.

    One random combination c of them, and one of the others: ‖MJᵀc‖ of the two is compared.

    Args:
        moment: The networks, the batch, the optimiser.
        K: kernel of all critics ``[nN, nN]``, in the dtype that it was computed in.
        weights: D ``[nN]``.
    """
    eps, size = torch.finfo(K.dtype).eps, len(K)
    root = weights.detach().cpu().double().sqrt()
    rates, U = torch.linalg.eigh(root[:, None] * K.detach().cpu().double() * root)
    is_null = rates <= 10 * size**0.5 * eps * rates.max().clamp(min=0)
    if not bool(is_null.any()) or bool(is_null.all()):
        return False
    W = root[:, None] * U
    with same_generators(torch.device("cpu")):
        torch.manual_seed(_SEED)
        draw = torch.randn(size, dtype=torch.float64)
    draw = draw / draw.abs()  # signs, so that no direction is left out by chance
    hidden, seen = (
        _length(moment, W[:, some] @ draw[some]) / float(some.sum()) ** 0.5
        for some in (is_null, ~is_null)
    )
    return hidden > _MARGIN * size**0.5 * eps * seen


def _length(moment: Moment, c: Tensor) -> float:
    """Return ‖MJᵀc‖ of all critics."""
    parts = [Part(each) for each in moment.each_critic]
    steps = [part.direction(own) for part, own in zip(parts, c.chunk(len(parts)), strict=True)]
    return sum(float(g.double().square().sum()) for step in steps for g in step.values()) ** 0.5
