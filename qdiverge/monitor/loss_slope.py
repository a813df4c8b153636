"""How steep the loss is: the constant factor that its gradient shows, and which is no clipping.

A loss of c mean ½δ² has gradients c times those of mean ½δ², whatever the batch; so have a sum over
N rows (c = N), a mean square (c = 2) and k batches whose gradients add up. Clipping has a factor,
too: but that is another for each gradient, and what it leaves has one norm.
"""

from typing import Any

from qdiverge.update.auditing import Audit
from qdiverge.update.rule import LOSS_SLOPES

AGREE = 1e-3  # of a factor: how near two audits', or one and 1, are
APART = 1e-3  # of the gradient's norm: by how much two audits' differ at least
FITTED = 1e-2  # residual beyond which nothing is read off the scale


class LossSlope:
    """What the audits of a run say together.

    Attributes:
        value: What the loss's gradient is of that of mean ½δ², at small δ; None: not known yet.

    >>> slope, nan = LossSlope(), float("nan")
    >>> audit = Audit(None, 1.0, "half_squared", 0.25, 0.9, "q", nan, 1.0, 1e-6)
    >>> slope.take(audit, norm=3.0)
    >>> slope.value is None
    True
    >>> slope.take(audit, norm=1.0)
    >>> slope.value
    0.25
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self._first: tuple[float, float] | None = None  # scale and norm that others are held to

    def take(self, audit: Audit, norm: float) -> None:
        """Take note of an audit.

        Args:
            audit: Of one update.
            norm: Of its gradient.
        """
        scale = audit.gradient_scale
        if audit.loss not in LOSS_SLOPES or not (audit.residual < FITTED and scale > 0):
            return
        slope = LOSS_SLOPES[audit.loss] * scale
        if abs(scale - 1) < AGREE:
            self.value, self._first = LOSS_SLOPES[audit.loss], (slope, norm)
            return
        if self._first is None or abs(slope / self._first[0] - 1) > AGREE:
            self._first = slope, norm
        elif abs(norm / self._first[1] - 1) > APART:
            self.value = float(f"{slope:.4g}")

    def state(self) -> dict[str, Any]:
        """Return all that it holds."""
        return {"value": self.value, "first": None if self._first is None else list(self._first)}

    def restore(self, state: dict[str, Any]) -> None:
        """Hold again what ``state`` returned."""
        self.value, first = state["value"], state["first"]
        self._first = None if first is None else (first[0], first[1])
