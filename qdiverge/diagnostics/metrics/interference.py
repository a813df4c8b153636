"""Does learning from one transition help or harm the others?"""

from typing import ClassVar

import torch
from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def gradient_products(K: Tensor, td_errors: Tensor) -> Tensor:
    """Return G_ij = δ_i δ_j K_ij: the inner products of the loss gradients ∇½δ_i² = −δ_i ∇Q_i.

    Bengio, Pineau & Precup 2020, "Interference and Generalization in TD Learning"
    (arXiv:2003.06350); no backward pass beyond the kernel's is needed.

    Args:
        K: [N, N].
        td_errors: δ, [N].

    Returns:
        [N, N].

    >>> gradient_products(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([1.0, -3.0]))
    tensor([[ 2., -3.],
            [-3., 18.]])
    """
    return td_errors[:, None] * K * td_errors


class Interference(Diagnostic):
    """Mean off-diagonal cosine of the loss gradients (stiffness), and the share below zero."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/gradient_cosine",
            "mean cosine of the loss gradients δ_i ∇Q_i and δ_j ∇Q_j, i ≠ j",
            "1",
            "above 0 and well below 1",
        ),
        Metric(
            "diverge/gradient_conflicts",
            "share of the pairs i ≠ j whose cosine is below 0",
            "share",
            "below one half",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "td_errors"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/gradient_cosine`` and ``diverge/gradient_conflicts``."""
        G = gradient_products(moment.kernel.double(), moment.td_errors.double())
        size = G.diagonal().clamp(min=0).sqrt()
        cosines = G / (size[:, None] * size)
        others = cosines[~torch.eye(len(G), dtype=torch.bool, device=G.device)]
        others = others[torch.isfinite(others)]  # a zero TD error has no direction
        if len(others) == 0:
            return {}
        return {
            "diverge/gradient_cosine": float(others.mean()),
            "diverge/gradient_conflicts": float((others < 0).double().mean()),
        }
