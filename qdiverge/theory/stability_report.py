"""The record of a stability verdict, and the paragraph that explains it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from qdiverge.theory.descent import Descent
from qdiverge.theory.matrix_checks import SCOPE
from qdiverge.theory.minibatch import MinibatchReport
from qdiverge.theory.target_network import TargetNetworkReport
from qdiverge.theory.td_error import TDErrorCertificate

_OTHERS = "though with a target network smaller ones may not be, and larger ones may"


@dataclass(frozen=True)
class RegressionBaseline:
    """The same numbers at γ = 0: what plain regression on the same pairs does."""

    spectral_radius: float  # max |1 − αλ|^C over the eigenvalues λ of KD
    update_radius: float  # max |1 − αλ|
    max_learning_rate: float  # 2/λ_max
    certified_modulus: float


@dataclass(frozen=True, eq=False)
class StabilityReport:
    """The verdict and every number behind it; ``print`` explains it.

    "certified": the linear system converges, however the greedy actions switch (its TD errors go
    to zero, but for directions that no parameter moves). "divergent": they grow without bound
    from an open set of starts, at greedy actions that the growth itself keeps. "undecided":
    neither is shown. All in float64 on the CPU.
    """

    verdict: str
    reason: str
    divergent_actions: Tensor | None  # [N] greedy actions that the growth keeps, if divergent
    num_pairs: int
    learning_rate: float
    descent: Descent  # the optimiser's momentum and decay
    target_period: int
    polyak: float | None
    spectral_radius: float  # at the greedy successors: of I + αAD, B_C, or the averaged pair
    update_radius: float  # ρ^{1/C}, per update; finite also where that of a period is not
    dominant_eigenvalue: complex  # of that map, the one of largest modulus
    eigenvalue_condition: float  # of it; large: the rounding of K matters
    self_excitation: float  # max Re eig(AD); > 0: no step size is stable without a target network
    certified_modulus: float  # best weighted sup norm found; < 1 under every greedy switching
    certificate: TDErrorCertificate
    certified_learning_rate: float  # every smaller step of plain descent is certified without a
    # target network; 0.0: none, or none known
    transient_gain: float  # ‖I + αAD‖₂, or of B_C: largest growth of TD errors in one step
    target_network: TargetNetworkReport
    regression: RegressionBaseline
    eigenvalues: Tensor  # complex [r] of AD on what the parameters can move
    num_unreachable: int  # directions of TD error that no parameter moves
    num_neutral: int  # modes that rounding cannot tell from standing still
    minibatch: MinibatchReport | None
    find_largest_step: Callable[[], float] = field(repr=False)

    @cached_property
    def max_learning_rate(self) -> float:
        """Return the largest stable step; 0.0: none.

        With a target network, the end of one interval of stable steps, the highest one found by
        halving from beyond what regression bears: smaller ones may be unstable, and larger ones
        stable. Found when first asked for: it then takes several spectral radii.
        """
        return self.find_largest_step()

    def __str__(self) -> str:
        lines = [
            f"{self.verdict.capitalize()}: {self.reason}.",
            _setting(self),
            _step(self),
            f"TD-error certificate: best weighted modulus {self.certified_modulus:.6g} "
            f"({self.certificate.bound.modulus:.6g} in the plain sup norm); one step can enlarge "
            f"the TD errors {self.transient_gain:.4g}-fold.",
            self.target_network.advice,
            f"At γ = 0 the same pairs have ρ = {self.regression.spectral_radius:.6g} and need a "
            f"step below {self.regression.max_learning_rate:.3g}.",
            *([str(self.minibatch)] if self.minibatch else []),
            *_left_out(self),
            SCOPE.format(n=self.num_pairs),
        ]
        return " ".join(lines)


def _setting(report: StabilityReport) -> str:
    """Say what was analysed and its spectral radius."""
    target = "no target network"
    if report.polyak is not None:
        often = f" every {report.target_period} updates" if report.target_period > 1 else ""
        target = f"target averaged with τ = {report.polyak:g}{often}"
    elif report.target_period > 1:
        target = f"target copied every {report.target_period} updates"
    per = "period" if report.target_period > 1 else "update"
    doubling, ρ = "", report.spectral_radius
    if 1 < ρ < math.inf:
        updates = report.target_period * math.log(2) / math.log(ρ)
        doubling = f": the TD errors double every {updates:.3g} updates"
    return (
        f"N = {report.num_pairs}, α = {report.learning_rate:g}{report.descent}, {target}: "
        "spectral radius "
        f"{ρ:.6g} per {per}{doubling}."
    )


def _step(report: StabilityReport) -> str:
    """Say which steps are stable."""
    excitation, largest = report.self_excitation, report.max_learning_rate
    if excitation > 0:
        rest = (
            f"; with this one steps just below {largest:.3g} are stable, {_OTHERS}"
            if largest > 0
            else ""
        )
        return (
            f"The pairs excite themselves: max Re eig(AD) = {excitation:.4g} > 0, so without a "
            f"target network no step size is stable{rest}."
        )
    if largest == 0:
        return "No stable step was found."
    ratio, has_target = report.learning_rate / largest, report.polyak or report.target_period > 1
    if has_target:
        return (
            f"Steps just below {largest:.3g} are stable, {_OTHERS}; the step is {ratio:.3g}× that "
            f"(max Re eig(AD) = {excitation:.4g})."
        )
    return (
        f"The step is {ratio:.3g}× the largest stable one, {largest:.3g} "
        f"(max Re eig(AD) = {excitation:.4g})."
    )


def _left_out(report: StabilityReport) -> list[str]:
    """Say what the spectrum leaves out."""
    lines = []
    if report.num_unreachable:
        lines.append(
            f"Directions of TD error that no parameter moves: {report.num_unreachable} (more pairs "
            "than parameters, repeated pairs, or ρ_i = 0); they stay as they are."
        )
    if report.num_neutral:
        lines.append(f"Modes within rounding of standing still: {report.num_neutral}.")
    return lines
