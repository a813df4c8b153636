"""What an audit compares, and what it holds to be the explanation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from qdiverge.transitions import Transitions
from qdiverge.update.auditing.audit_inputs import Reading
from qdiverge.update.auditing.findings import Finding
from qdiverge.update.auditing.td_columns import Array, Columns, Hypothesis

# Of 1,152 sound loops (12 networks × 4 losses × 4 bootstraps × 3 optimisers, batches of 32 and 128)
# the residual was 4e-7 at most, and 2.4 % of what ROUNDINGS and LAYERS allow.
ROUNDINGS = 10.0  # of one TD error, and
LAYERS = 60.0  # of one gradient, in units of the type's own rounding
WHOLE = 1e-3  # how near a ratio of gradients is to 1 or 2 to be taken for it
MOST = 0.1  # of |g|: what rounding may never be taken to explain


@dataclass
class Case:
    """What is compared: networks, batch, gradient, and what the loop is said to do."""

    modules: Sequence[nn.Module]
    targets: Sequence[nn.Module]
    batch: Transitions
    reading: Reading
    columns: Columns
    discount: float
    declared: list[Hypothesis]
    previous: Tensor | None = None


@dataclass(frozen=True)
class Explanation:
    """What makes the gradient.

    Attributes:
        hypothesis: None where it is unknown.
        scale: What the mean loss's gradient is multiplied by.
        residual: ‖g − c Jᵀw‖/‖g‖, also what is known besides w left out.
        slopes: ∂L/∂Q, [N].
        explained: Share of ‖g‖² that is of the batch's Q-gradients.
        findings: What is wrong.
        is_clamped: Whether each entry of the gradient was clipped.
        is_small: Whether no |δ| passes 1.
        rounding: The residual that rounding may leave.
    """

    hypothesis: Hypothesis | None
    scale: float
    residual: float
    slopes: Array
    explained: float
    findings: list[Finding] = field(default_factory=list)
    is_clamped: bool = False
    is_small: bool = False
    rounding: float = math.nan

    @property
    def codes(self) -> set[str]:
        """Return the codes of the findings."""
        return {f.code for f in self.findings}


def tolerance(columns: Columns, h: Hypothesis, unit: float, slopes: Array | None = None) -> float:
    """Return which residual rounding may leave: of the TD error's cancellation, and of backward."""
    w = columns.slopes(h) if slopes is None else slopes
    size = math.sqrt(float((w**2).mean())) * len(w) or 1e-300
    cancelled = math.sqrt(float((columns.sizes(h) ** 2).mean())) / size
    return min(unit * (ROUNDINGS * cancelled + LAYERS), MOST)


def hold(case: Case, v: Tensor) -> tuple[float, float]:
    """Return c of least ‖g − c v‖, and that over ‖g‖; in float64 where that costs little."""
    g = case.reading.gradient
    if len(g) < 300_000:
        g, v = g.double(), v.double()
    square = float(v @ v)
    if square == 0:
        return 0.0, 1.0
    scale = float(g @ v) / square
    return scale, float((g - scale * v).norm() / g.norm())


def found_by(
    case: Case, h: Hypothesis, scale: float, residual: float, **more: object
) -> Explanation:
    """Return the explanation by a hypothesis."""
    w = case.columns.slopes(h)
    slopes = w[:, 0]
    errors = case.columns.q[h.actions][:, 0] - case.columns.targets(h)
    return Explanation(
        hypothesis=h, scale=scale, residual=residual, slopes=scale * slopes,
        explained=1.0 - min(residual, 1.0) ** 2, is_small=bool((abs(errors) <= 1).all()),
        rounding=tolerance(case.columns, h, case.reading.unit, w),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip
