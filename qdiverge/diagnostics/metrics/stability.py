"""At what rate would TD errors grow or shrink, kernel and greedy actions frozen?"""

from typing import ClassVar

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.moment import Moment
from qdiverge.theory import check_stability


class Stability(Diagnostic):
    """Spectral radius ρ(I + αAD) and self-excitation max Re eig(AD), without a target network.

    A = K' − K at the greedy successors (Yue et al. 2023, arXiv:2310.04411, for the eigenvalue).
    Healthy: a radius below 1 and a self-excitation below 0. A target network can hold a run stable
    at which both are above; the γ = 0 radius tells whether the step alone is at fault.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "successor_kernel"})
    cost: ClassVar[Cost] = "full"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/spectral_radius``, ``diverge/self_excitation`` and their kin."""
        report = check_stability(
            moment.kernel, moment.successor_kernel, learning_rate=moment.learning_rate
        )
        return {
            "diverge/spectral_radius": report.spectral_radius,
            "diverge/spectral_radius_regression": report.regression.spectral_radius,
            "diverge/self_excitation": report.self_excitation,
            "diverge/max_stable_learning_rate": report.max_learning_rate,
            "diverge/transient_gain": report.transient_gain,
        }
