"""Do the features of a state and of its successor grow alike?"""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cosine_similarity

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def coadaptation(features: Tensor, next_features: Tensor) -> Tensor:
    """Return φ(s_i)·φ(s'_i) for each transition: the implicit regulariser of TD learning.

    Kumar et al. 2021, DR3 (arXiv:2112.04716).

    Args:
        features: φ(s), [N, F].
        next_features: φ(s'), [N, F].

    Returns:
        [N].

    >>> import torch
    >>> coadaptation(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))  # 3 + 8
    tensor([11.])
    """
    return (features * next_features).sum(dim=1)


class Coadaptation(Diagnostic):
    """Mean φ(s)·φ(s') and mean cosine; terminal transitions, which do not bootstrap, left out."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/coadaptation",
            "mean φ(s)·φ(s′) over the transitions that do not end",
            "1",
            "level; growth without end goes before divergence",
        ),
        Metric(
            "diverge/coadaptation_cosine",
            "mean φ(s)·φ(s′) / (‖φ(s)‖ ‖φ(s′)‖) over the transitions that do not end",
            "1",
            "below 1; at 1 a state and its successor look the same",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"features", "next_features"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/coadaptation`` and ``diverge/coadaptation_cosine``."""
        continues = ~moment.batch.terminated.bool()
        if not bool(continues.any()):
            return {}
        φ, φ_next = moment.features[continues], moment.next_features[continues]
        return {
            "diverge/coadaptation": float(coadaptation(φ, φ_next).mean()),
            "diverge/coadaptation_cosine": float(cosine_similarity(φ, φ_next).mean()),
        }
