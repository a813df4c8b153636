"""The largest step at which every mode of AD shrinks, by the optimiser's rule."""

from torch import Tensor

from qdiverge.theory.augmented_map import mode_radii
from qdiverge.theory.descent import Descent

_HALVINGS = 60


def largest_step(eigenvalues: Tensor, descent: Descent) -> float:
    """Return the largest stable learning rate without a target network; 0.0 where none is.

    In closed form for gradient descent and heavy-ball momentum, else by halving the interval.

    Args:
        eigenvalues: ν of AD, complex ``[r]``.
        descent: the optimiser's; its own learning rate does not matter.

    >>> import torch
    >>> round(largest_step(torch.tensor([-1.0 + 0j]), Descent(1.0, momentum=0.9, gain=0.1)), 9)
    38.0
    """
    if len(eigenvalues) == 0:
        return 0.0
    slope = descent.total_gain * (float(eigenvalues.real.max()) - descent.coupled_decay)
    if slope >= descent.decay:  # the least step grows
        return 0.0
    if descent.has_decay or descent.is_nesterov:
        return _searched(eigenvalues, descent)
    return momentum_largest_step(eigenvalues, descent.momentum) / descent.gain


def largest_regression_step(rates: Tensor, descent: Descent) -> float:
    """Return the same on fixed targets, where the modes are −λ of KD.

    >>> import torch
    >>> largest_regression_step(torch.tensor([4.0, 1.0]), Descent(1.0))  # 2/λ_max
    0.5
    """
    return largest_step(-rates.double().max().reshape(1), descent)


def momentum_largest_step(eigenvalues: Tensor, momentum: float) -> float:
    """Return the largest stable step with heavy-ball momentum; 0.0 if some Re ν ≥ 0.

    By Schur–Cohn for the complex quadratic x² − (1 + m + αν)x + m,

        α < 2(1 − m²)(1 − m) Re(−ν) / ((1 − m)² Re²ν + (1 + m)² Im²ν);

    for real ν this is 2(1 + m)/|ν|: momentum helps. A mode that rotates it makes less stable. At
    m = 0 it is 2 Re(−ν)/|ν|².

    >>> import torch
    >>> round(momentum_largest_step(torch.tensor([-2.0 + 0j]), 0.9), 12)
    1.9
    >>> round(momentum_largest_step(torch.tensor([-4.0 + 0j, -1 + 3j]), 0.0), 6)  # 2·1/10
    0.2
    """
    m = momentum
    if len(eigenvalues) == 0 or bool((eigenvalues.real >= 0).any()):
        return 0.0
    re, im = eigenvalues.real.double(), eigenvalues.imag.double() if eigenvalues.is_complex() else 0
    denominator = ((1 - m) * re).square() + ((1 + m) * im) ** 2
    return float((-2 * (1 - m**2) * (1 - m) * re / denominator).min())


def _searched(eigenvalues: Tensor, descent: Descent) -> float:
    """Halve between a step at which every mode shrinks and one at which some grows."""

    def is_stable(α: float) -> bool:
        return bool((mode_radii(eigenvalues, descent.with_rate(α)) < 1).all())

    high = 8 / (descent.gain * float(eigenvalues.abs().max().clamp(min=1e-300)))
    for _ in range(_HALVINGS):
        if is_stable(high / 2):
            break
        high /= 2
    else:
        return 0.0
    low = high / 2
    while is_stable(high):  # decay may allow more than the momentum's limit
        low, high = high, 2 * high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low
