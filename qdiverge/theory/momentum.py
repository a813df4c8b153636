"""Heavy-ball and Nesterov momentum on the TD-error map, mode by mode."""

import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError


def momentum_radius(
    eigenvalues: Tensor, learning_rate: float, momentum: float, *, is_nesterov: bool = False
) -> float:
    """Return the spectral radius of TD learning with momentum.

    θ ← θ + αv, v ← mv + g turns each eigenvalue μ of AD into the roots of

        x² − (1 + m + αμ)x + m = 0                  (heavy ball)
        x² − (1 + m + (1 + m)αμ)x + m(1 + αμ) = 0   (Nesterov, as torch.optim.SGD does it)

    For Adam take K = J diag(1/(√v + ε)) Jᵀ with the frozen second moments, m = β₁, and α(1 − β₁)
    for α, since its first moment is an average (torch's ``dampening`` = m).

    Args:
        eigenvalues: μ of AD, complex ``[r]``.
        learning_rate: α.
        momentum: m in [0, 1).
        is_nesterov: whether the gradient is added once more.

    >>> momentum_radius(torch.tensor([-1.0 + 0j]), 0.19, 0.81)  # complex roots: |x| = √m
    0.9
    """
    m, αμ = _checked(momentum), learning_rate * eigenvalues.to(torch.complex128)
    trace = 1 + m + (1 + m) * αμ if is_nesterov else 1 + m + αμ
    product = m * (1 + αμ) if is_nesterov else m * torch.ones_like(αμ)
    root = (trace.square() / 4 - product).sqrt()
    roots = torch.stack([trace / 2 + root, trace / 2 - root]).abs()
    return round(float(roots.max()), 15) if len(eigenvalues) else 1.0


def momentum_largest_step(eigenvalues: Tensor, momentum: float) -> float:
    """Return the largest stable step with heavy-ball momentum; 0.0 if some Re μ ≥ 0.

    By Schur–Cohn for the complex quadratic, with μ an eigenvalue of AD,

        α < 2(1 − m²)(1 − m) Re(−μ) / ((1 − m)² Re²μ + (1 + m)² Im²μ);

    for real μ this is 2(1 + m)/|μ|: momentum helps. A mode that rotates it makes less stable.

    >>> round(momentum_largest_step(torch.tensor([-2.0 + 0j]), 0.9), 12)
    1.9
    """
    m = _checked(momentum)
    if len(eigenvalues) == 0 or bool((eigenvalues.real >= 0).any()):
        return 0.0
    re, im = eigenvalues.real.double(), eigenvalues.imag.double()
    denominator = ((1 - m) * re).square() + ((1 + m) * im).square()
    return float((-2 * (1 - m**2) * (1 - m) * re / denominator).min())


def _checked(momentum: float) -> float:
    """Return m in [0, 1)."""
    if not 0 <= momentum < 1:
        raise InvalidValueError("momentum must lie in [0, 1)", got=momentum)
    return float(momentum)
