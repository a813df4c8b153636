"""What TD errors cost: minimise mean_i w_i ℓ(δ_i)."""

import torch
from torch import Tensor
from torch.nn import functional


def td_loss(errors: Tensor, loss: str, weights: Tensor | None = None) -> Tensor:
    """Return the mean of w ℓ(δ).

        "mse": ℓ(δ) = δ²/2.    "huber": the same for |δ| ≤ 1, then |δ| − 1/2.

    Both have the gradient δ near 0, so the same learning rate means the same step; Huber's is
    clipped to [−1, 1], the error clipping of Mnih et al. (2015).

    Args:
        errors: [N], δ.
        loss: ``"huber"`` or ``"mse"``.
        weights: [N], w, of importance sampling; None: 1 for all.

    Returns:
        [].

    >>> errors = torch.tensor([1.0, -3.0])
    >>> td_loss(errors, "mse"), td_loss(errors, "huber")  # (1/2 + 9/2)/2, (1/2 + 5/2)/2
    (tensor(2.5000), tensor(1.5000))
    """
    if loss == "mse":
        return weighted_mean(errors.square() / 2, weights)
    losses = functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")
    return weighted_mean(losses, weights)


def weighted_mean(losses: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return mean_i w_i ℓ_i over N samples, not divided by the sum of the weights.

    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 0.5]))  # (1 + 1.5)/2
    tensor(1.2500)
    """
    return losses.mean() if weights is None else (weights * losses).mean()
