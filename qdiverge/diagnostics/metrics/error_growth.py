"""At what rate would TD errors grow or shrink, kernel and greedy actions frozen?"""

from typing import ClassVar

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.theory import check_stability


class Stability(Diagnostic):
    """Spectral radius of the run's update, with its target network, and self-excitation without.

    With the optimiser's momentum and decay, the loss's clipping, the weights of the samples, and
    the target network where its period or τ is known; until then without one.
    A = K' − K at the greedy successors (Yue et al. 2023, arXiv:2310.04411, for max Re eig(AD)).
    A target network can hold a run stable at which the latter is above its healthy range; the γ = 0
    radius tells whether the step alone is at fault.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/spectral_radius",
            "ρ of the update’s linear map (of I + αAD without momentum), A = K′ − K at the greedy "
            "successors, D = wψ′(δ)/N; ρ^{1/C} of a target copied every C updates",
            "factor per update",
            "below 1",
        ),
        Metric(
            "diverge/spectral_radius_regression",
            "the same at γ = 0 (ρ(I − αKD) without momentum)",
            "factor per update",
            "below 1; above it the step alone is too large",
        ),
        Metric("diverge/self_excitation", "max Re eig(AD)", "1/α", "below 0"),
        Metric(
            "diverge/max_stable_learning_rate",
            "largest α at which that map is stable; 0 where there is none",
            "α",
            "above the run’s α",
        ),
        Metric("diverge/transient_gain", "‖I + αAD‖_2", "factor per update", "near 1"),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "successor_kernel", "td_errors"})
    is_of_update: ClassVar[bool] = True
    cost: ClassVar[Cost] = "full"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/spectral_radius``, ``diverge/self_excitation`` and their kin."""
        rule = moment.rule
        report = check_stability(
            moment.kernel,
            moment.successor_kernel,
            target_period=1 if rule is None else rule.period,
            polyak=None if rule is None else rule.share,
            descent=moment.descent,
            sample_weights=moment.sample_weights.to(moment.kernel.device),
        )
        return {
            "diverge/spectral_radius": report.update_radius,
            "diverge/spectral_radius_regression": report.regression.update_radius,
            "diverge/self_excitation": report.self_excitation,
            "diverge/max_stable_learning_rate": report.max_learning_rate,
            "diverge/transient_gain": report.transient_gain,
        }
