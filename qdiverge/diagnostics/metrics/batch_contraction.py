"""Would the next update contract? The kernel of the batch and its row condition."""

from typing import ClassVar

import numpy as np
import torch

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


class Contraction(Diagnostic):
    """Achiam's row condition, its γ = 0 baseline, the modulus and the largest contracting step."""

    is_of_update: ClassVar[bool] = True

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/fraction_holding",
            "share of rows i with α K_{ii} ρ_i < 1 and"
            " (1+γ) Σ_{j≠i} |K_{ij}| ρ_j ≤ (1−γ) K_{ii} ρ_i",
            "share",
            "near its value at γ = 0; 0 is common and proves nothing",
        ),
        Metric(
            "diverge/fraction_holding_regression",
            "the same share at γ = 0",
            "share",
            "what plain regression has: the baseline of the share above",
        ),
        Metric(
            "diverge/modulus",
            "β = max_i |1−x_i| + γ x_i + (1+γ) o_i, with x_i = α K_{ii} ρ_i and"
            " o_i = α Σ_{j≠i} |K_{ij}| ρ_j",
            "factor per update",
            "below 1, or near its value at γ = 0",
        ),
        Metric(
            "diverge/modulus_regression",
            "the same β at γ = 0",
            "factor per update",
            "what plain regression has: the baseline of β",
        ),
        Metric(
            "diverge/mean_row_ratio",
            "mean_i (1/N) Σ_{j≠i} |K_{ij}| / K_{ii}",
            "1",
            "at most (1−γ) / ((1+γ) N), which few networks reach",
        ),
        Metric(
            "diverge/max_learning_rate",
            "largest α below which β < 1; 0 where there is none",
            "α",
            "above the run’s α; 0 is common and proves nothing",
        ),
        Metric("diverge/kernel_diagonal_mean", "mean_i K_{ii} = mean_i ‖∂Q_i/∂θ‖²", "1/α", "level"),
    )
    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "contraction"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/fraction_holding``, ``diverge/modulus`` and their kin."""
        report = moment.contraction
        baseline = report.regression or report
        return {
            "diverge/fraction_holding": report.fraction_holding,
            "diverge/fraction_holding_regression": baseline.fraction_holding,
            "diverge/modulus": report.modulus,
            "diverge/modulus_regression": baseline.modulus,
            "diverge/mean_row_ratio": report.mean_row_ratio,
            "diverge/max_learning_rate": report.max_learning_rate,
            "diverge/kernel_diagonal_mean": float(moment.kernel.diagonal().mean()),
        }

    def arrays(self, moment: Moment) -> dict[str, dict[str, np.ndarray]]:
        """Return the kernel, its eigenvalues (descending) and the actions of its pairs."""
        K = moment.kernel.double()
        return {
            "kernel": {
                "kernel": K.float().cpu().numpy(),
                "eigenvalues": torch.linalg.eigvalsh(K).flip(0).cpu().numpy(),
                "actions": moment.batch.actions.cpu().numpy(),
            }
        }
