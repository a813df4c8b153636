"""Would the next update contract? The kernel of the batch and its row condition."""

from typing import ClassVar

import numpy as np
import torch

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.moment import Moment


class Contraction(Diagnostic):
    """Achiam's row condition, its γ = 0 baseline, the modulus and the largest contracting step."""

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
