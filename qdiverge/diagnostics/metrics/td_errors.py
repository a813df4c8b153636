"""TD errors and the lag of the target network on the batch."""

from typing import ClassVar

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


class TDErrors(Diagnostic):
    """Mean and largest |δ_i|, δ_i = r_i + γ(1−d_i) V(s'_i) − Q(s_i, a_i), V by the run's rule.

    Without another rule V(s') = max_a Q_target(s', a).
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("diverge/td_error_abs_mean", "mean |δ|", "Q", "falling, or level"),
        Metric("diverge/td_error_abs_max", "max |δ|", "Q", "falling, or level"),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"td_errors"})
    cost: ClassVar[Cost] = "light"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/td_error_abs_mean`` and ``diverge/td_error_abs_max``."""
        magnitudes = moment.td_errors.abs()
        return {
            "diverge/td_error_abs_mean": float(magnitudes.mean()),
            "diverge/td_error_abs_max": float(magnitudes.max()),
        }


class TargetLag(Diagnostic):
    """The lag of the target network, over all actions; of critics, at the policy's action."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/target_lag",
            "mean |Q(s′, a) − Q_{target}(s′, a)| over the next states of the probe batch",
            "Q",
            "small beside |Q|; 0 at each synchronisation",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"online_next_q", "target_next_q"})
    cost: ClassVar[Cost] = "light"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/target_lag``; 0 where there is no target network."""
        if moment.target is None:
            return {"diverge/target_lag": 0.0}
        now, then = moment.online_next_q, moment.target_next_q
        lag = (now - then).masked_fill(now == then, 0.0)  # −∞ that a mask put there among them
        return {"diverge/target_lag": float(lag.abs().mean())}
