"""A sequence of updates, each with its own modulus."""

import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite


def log_error_bound(moduli: Tensor) -> Tensor:
    """Return Σ_{k≤t} ln β_k: the error after update t is at most exp of it times the first one.

    Updates that share a fixed point give error ≤ Π β_k. "Every β_k < 1" is not enough: the sum
    must go to −∞, which it does not for β_k = 1 − 1/(k + 2)², whose product tends to ½.

    Source: Achiam, Knight & Abbeel (2019), https://arxiv.org/abs/1903.08894, on sequences of
    contraction maps.

    Args:
        moduli: β_k ≥ 0 of consecutive updates ``[T]``.

    Raises:
        InvalidTypeError: it is no floating-point tensor.
        InvalidValueError: a modulus is negative or not finite, or the shape is not ``[T]``.

    >>> log_error_bound(torch.tensor([1.0, 0.5, 0.5])).exp()
    tensor([1.0000, 0.5000, 0.2500])
    """
    check_finite("moduli", moduli)
    if moduli.ndim != 1 or (len(moduli) and float(moduli.min()) < 0):
        got = f"{list(moduli.shape)}, {moduli.flatten()[:3].tolist()}…"
        raise InvalidValueError("moduli must be [T], none negative", got=got)
    return torch.log(moduli.detach()).cumsum(0)
