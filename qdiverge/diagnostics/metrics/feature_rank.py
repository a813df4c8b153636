"""How many directions the features of the output layer still use."""

from typing import ClassVar

import torch
from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def srank(singular_values: Tensor, delta: float = 0.01) -> int:
    """Return the least k with Σ_{i≤k} σ_i ≥ (1 − δ) Σ_i σ_i.

    Kumar et al. 2020 (arXiv:2010.14498), with δ = 0.01.

    Args:
        singular_values: σ, descending, [R].
        delta: δ.

    >>> srank(torch.tensor([98.0, 1.5, 0.5]))  # 98 + 1.5 of 100 reaches 99
    2
    """
    total = singular_values.sum()
    reached = singular_values.cumsum(0) >= (1 - delta) * total
    return int(reached.int().argmax()) + 1 if float(total) > 0 else 0


def stable_rank(singular_values: Tensor) -> float:
    """Return ‖Φ‖_F² / ‖Φ‖₂² = Σ σ_i² / σ_1².

    >>> stable_rank(torch.tensor([2.0, 1.0]))  # (4 + 1) / 4
    1.25
    """
    largest = float(singular_values.max())
    return float(singular_values.square().sum()) / largest**2 if largest > 0 else 0.0


def effective_rank(singular_values: Tensor) -> float:
    """Return exp H(p), p = σ / Σσ: the entropy's count of directions.

    Roy & Vetterli 2007, "The effective rank", EUSIPCO.

    >>> round(effective_rank(torch.ones(4)), 6)
    4.0
    """
    total = singular_values.sum()
    if float(total) <= 0:
        return 0.0
    p = singular_values / total
    return float(torch.special.entr(p).sum().exp())


class FeatureRank(Diagnostic):
    """Ranks of the penultimate features Φ [N, F], at most min(N, F); near 1 they have collapsed."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/srank",
            "least k with σ_1 + … + σ_k ≥ 99 % of Σσ, σ the singular values of the penultimate"
            " features",
            "directions",
            "well above 1, not falling",
        ),
        Metric(
            "diverge/stable_rank",
            "Σσ² / σ_1² of the penultimate features",
            "directions",
            "above 1, not falling; large activations keep it low",
        ),
        Metric(
            "diverge/effective_rank",
            "effective rank exp H(σ/Σσ) of the penultimate features over the probe batch",
            "directions",
            "well above 1, not falling",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"features"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/srank``, ``diverge/stable_rank``, ``diverge/effective_rank``."""
        singular_values = torch.linalg.svdvals(moment.features.double())
        return {
            "diverge/srank": float(srank(singular_values)),
            "diverge/stable_rank": stable_rank(singular_values),
            "diverge/effective_rank": effective_rank(singular_values),
        }
