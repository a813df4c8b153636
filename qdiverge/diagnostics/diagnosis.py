"""The record of a diagnosis, and how it reads."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from qdiverge.theory import Attribution, ContractionReport, StabilityReport
from qdiverge.update import UpdateRule


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What the linearised theory says of one moment; ``print`` reads well."""

    learning_rate: float  # α of the loss ½ Σ ρ_i δ_i²
    discount: float
    bound: float  # r_max/(1−γ)
    rule: UpdateRule  # the update that the verdict is about
    contraction: ContractionReport
    stability: StabilityReport
    attribution: Attribution
    linearisation_error: float  # ‖ΔQ − JΔθ‖ / ‖JΔθ‖ of the optimiser's next step, Δθ the map's;
    # above 0.3 nothing here applies
    forecast: float  # updates until max|Q| passes the bound at the spectral rate; ∞: it does not,
    # or the map's prediction of one step was not confirmed
    q_values: dict[str, float]
    td_errors: Tensor  # δ, [N]
    clipped_share: float  # of TD errors that the Huber loss clips; 0 for other losses
    find_advice: Callable[["Diagnosis"], tuple[str, ...]] = field(repr=False)

    @cached_property
    def advice(self) -> tuple[str, ...]:
        """Return what is wrong, what to change, and to what value.

        Made when first asked for: with a target network the largest stable step takes several
        spectral radii.
        """
        return self.find_advice(self)

    @property
    def is_beyond(self) -> bool:
        """Return whether max|Q| is beyond the bound by more than TD errors excuse."""
        return self.q_values["diverge/q_abs_max"] > self.q_values["diverge/divergence_limit"]

    def __str__(self) -> str:
        size, is_bounded = self.q_values["diverge/q_abs_max"], math.isfinite(self.bound)
        most = f" of at most {self.bound:.4g}" if is_bounded else ", without a bound at γ = 1"
        numbered = [f"{i}. {sentence}" for i, sentence in enumerate(self.advice, start=1)]
        return "\n\n".join(
            [
                f"VALUES. max|Q| = {size:.4g}{most}; mean |δ| = "
                f"{float(self.td_errors.abs().mean()):.4g}; a real step departs from the linear "
                f"prediction by {self.linearisation_error:.3g}.",
                f"UPDATE. {self.rule}",
                f"STABILITY. {self.stability}",
                str(self.contraction),
                f"CAUSES. {self.attribution}",
                "ADVICE.\n" + "\n".join(numbered),
            ]
        )
