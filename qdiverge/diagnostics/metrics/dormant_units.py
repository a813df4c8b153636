"""Units that hardly answer any more."""

from typing import ClassVar

import torch
from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment

THRESHOLD = 0.025  # τ: the setting of Sokar et al. 2023 for their main figures (unverified)


def dormancy_scores(activations: Tensor) -> Tensor:
    """Return E|h_i| / mean_k E|h_k| for each unit i of one layer.

    Sokar et al. 2023 (arXiv:2302.12902).

    Args:
        activations: h, [N, units], or [N, channels, positions], averaged over positions.

    Returns:
        [units]; all zero where the whole layer is silent.

    >>> dormancy_scores(torch.tensor([[1.0, 0.0, -2.0], [1.0, 0.0, 2.0]]))
    tensor([1., 0., 2.])
    """
    size = activations.abs()
    mean = size.mean(dim=[0, *range(2, size.ndim)])  # [units]
    return mean / mean.mean() if float(mean.mean()) > 0 else mean


class DormantUnits(Diagnostic):
    """Shares of hidden units whose score is at most τ, and of those that never answer at all."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/dormant_units",
            "share of hidden units with E|h_i| / mean_k E|h_k| ≤ 0.025",
            "share",
            "small and level; a rising share is lost capacity",
        ),
        Metric(
            "diverge/dead_units",
            "share of hidden units with h_i = 0 everywhere",
            "share",
            "small and level",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"inputs"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/dormant_units`` and ``diverge/dead_units``, as shares in [0, 1]."""
        hidden = list(moment.inputs.values())[1:]
        if not hidden:
            return {}  # a linear network has no hidden unit
        scores = torch.cat([dormancy_scores(each) for each in hidden])
        return {
            "diverge/dormant_units": float((scores <= THRESHOLD).double().mean()),
            "diverge/dead_units": float((scores == 0).double().mean()),
        }
