"""What the audits of a run say of its rule together: bootstrap, loss and its slope, clipping."""

import math
from dataclasses import replace
from typing import Any

from qdiverge.monitor.audited_rule import clipped_norm, fitting_bootstraps, identified
from qdiverge.monitor.loss_slope import LossSlope
from qdiverge.monitor.subject import Subject
from qdiverge.monitor.under_way import AuditedBatch
from qdiverge.td import BOOTSTRAPS
from qdiverge.update.auditing import Audit
from qdiverge.update.rule import LOSS_SLOPES

LOOK_PERIOD = 16  # audits between two looks for what else would fit, the first doublings apart


class SeenRule:
    """Fields of the rule that gradients determine, one audit after the other.

    Args:
        subject: The run.

    Attributes:
        fitting: The bootstrap rules that made every gradient so far.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.fitting = frozenset(BOOTSTRAPS)
        self._norm: float | None = None
        self._slope = LossSlope()

    def take(self, audit: Audit, kept: AuditedBatch, num_audits: int) -> dict[str, Any]:
        """Return what an audit tells of the rule, and those before it.

        Args:
            audit: Of the update under way, whose gradient lies in ``.grad``.
            kept: Its batch.
            num_audits: Audits so far, this one among them.
        """
        subject, amp = self._subject, self._scale_of_amp()
        audit = replace(
            audit,
            gradient_scale=audit.gradient_scale / amp,
            sample_gradients=audit.sample_gradients / amp,
        )
        self._slope.take(audit, self._norm_now())
        fields = identified(audit, kept.shown, slope=self._slope.value)
        if len(self.fitting) > 1 and fields and _is_sparse(num_audits):
            self.fitting &= fitting_bootstraps(
                audit, kept.shown, subject.networks, subject.targets, kept.entropy_coefficient
            )
            self.fitting = self.fitting or frozenset(BOOTSTRAPS)  # the loop has changed
        if len(self.fitting) == 1:
            fields |= {"bootstrap": min(self.fitting)}
        if kept.num_parts > 1:  # the sum of k means looks like k times the loss
            fields.pop("loss", None)
        if (slope := self._slope.value) is not None:
            name = fields.get("loss") or subject.rule.loss
            fields["loss_factor"] = slope / LOSS_SLOPES[name]
        clipping, self._norm = clipped_norm(audit, self._norm)
        return fields | ({} if clipping is None else {"clipping": clipping})

    def state(self) -> dict[str, Any]:
        """Return what another one needs to go on as this one would."""
        return {"fitting": sorted(self.fitting), "norm": self._norm, "slope": self._slope.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned."""
        self.fitting, self._norm = frozenset(state["fitting"]), state["norm"]
        if "slope" in state:  # older checkpoints have none
            self._slope.restore(state["slope"])

    def _norm_now(self) -> float:
        """Return the norm of the gradient that lies in ``.grad``."""
        parameters = [p for network in self._subject.networks for p in network.parameters()]
        each = [float(p.grad.detach().double().norm()) for p in parameters if p.grad is not None]
        return math.hypot(*each)

    def _scale_of_amp(self) -> float:
        """Return what a GradScaler leaves to a fused optimiser to divide the gradient by."""
        scale = getattr(self._subject.optimizer, "grad_scale", None)
        return 1.0 if scale is None else float(scale)


def _is_sparse(num_audits: int) -> bool:
    """Return whether this is one of the audits that look what else would fit.

    >>> [n for n in range(1, 40) if _is_sparse(n)]
    [1, 2, 4, 8, 16, 32]
    """
    return num_audits % LOOK_PERIOD == 0 or num_audits & (num_audits - 1) == 0
