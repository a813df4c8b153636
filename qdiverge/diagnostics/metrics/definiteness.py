"""Two tests of the features as they are: would linear TD on them be stable?"""

from typing import ClassVar

import torch
from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.td import bootstrap_weights


def td_definiteness(features: Tensor, discounted_next: Tensor) -> float:
    """Return the least eigenvalue of the symmetric part of Φ̂ᵀ D (Φ̂ − γΦ̂'), D = 1/N.

    Above zero, expected linear TD with a small step converges on these transitions (Tsitsiklis
    & Van Roy 1997). Φ̂ is Φ scaled to a mean squared norm of 1, so that the number does
    not depend on the features' scale, and both are seen in the row space of Φ.

    Args:
        features: Φ, [N, F].
        discounted_next: γ(1 − d_i) φ(s'_i), [N, F].

    >>> round(td_definiteness(torch.tensor([[1.0]]), torch.tensor([[2 * 0.5]])), 6)  # γ = ½: 2γ = 1
    0.0
    """
    Φ, next_ = features.double(), discounted_next.double()
    scale = Φ.square().sum(1).mean().sqrt()
    if not float(scale) > 0:
        return 0.0
    _, σ, Vh = torch.linalg.svd(Φ / scale, full_matrices=False)
    basis = Vh[σ > 1e-6 * σ[0]].T  # [F, R]: where TD can move the weights at all
    X, Y = Φ / scale @ basis, next_ / scale @ basis
    M = X.T @ (X - Y) / len(Φ)
    return float(torch.linalg.eigvalsh((M + M.T) / 2)[0])


def distribution_shift(features: Tensor, discounted_next: Tensor) -> float:
    """Return the least C with γ² E[φ'φ'ᵀ] ≼ C E[φφᵀ] on the row space of Φ.

    Below 1 the shift is low and fitted Q-evaluation on these features is stable (Wang, Wu,
    Salakhutdinov & Kakade 2021, arXiv:2103.04947: low distribution shift).

    Args:
        features: Φ, [N, F].
        discounted_next: γ(1 − d_i) φ(s'_i), [N, F].

    >>> round(distribution_shift(torch.tensor([[1.0]]), torch.tensor([[1.2]])), 6)
    1.44
    """
    Φ, next_ = features.double(), discounted_next.double()
    _, σ, Vh = torch.linalg.svd(Φ, full_matrices=False)
    kept = σ > 1e-6 * σ[0]
    if not bool(kept.any()):
        return 0.0
    whitened = next_ @ Vh[kept].T / σ[kept]  # γΦ' (ΦᵀΦ)^(−1/2)
    return float(torch.linalg.matrix_norm(whitened, 2)) ** 2


class Definiteness(Diagnostic):
    """Least eigenvalue of the TD matrix, and the shift from the data to their successors.

    With N < F both see only N directions.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/td_definiteness",
            "least eigenvalue of the symmetric part of Φᵀ D (Φ − γΦ′), D = 1/N, Φ scaled to"
            " mean ‖φ‖² = 1",
            "1",
            "above 0",
        ),
        Metric(
            "diverge/distribution_shift",
            "least C with γ² E[φ′φ′ᵀ] ≼ C E[φφᵀ], on the row space of Φ",
            "1",
            "below 1",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"features", "next_features"})
    cost: ClassVar[Cost] = "standard"
    period: ClassVar[int] = 4  # features turn slowly

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/td_definiteness`` and ``diverge/distribution_shift``."""
        φ, d = moment.next_features, moment.batch.terminated
        discounted = bootstrap_weights(moment.discount, d, moment.features.dtype)[:, None] * φ
        return {
            "diverge/td_definiteness": td_definiteness(moment.features, discounted),
            "diverge/distribution_shift": distribution_shift(moment.features, discounted),
        }
