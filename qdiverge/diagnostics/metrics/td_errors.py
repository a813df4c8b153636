"""TD errors and the lag of the target network on the batch."""

from typing import ClassVar

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.moment import Moment


class TDErrors(Diagnostic):
    """Mean and largest |δ_i|, δ_i = r_i + γ(1−d_i) V(s'_i) − Q(s_i, a_i), V by the run's rule.

    Without another rule V(s') = max_a Q_target(s', a).
    """

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
    """How far the target network is behind: mean |Q(s', a) − Q_target(s', a)| over the batch.

    Over all actions; of critics, over all of them at the policy's action.
    """

    needs: ClassVar[frozenset[str]] = frozenset({"online_next_q", "target_next_q"})
    cost: ClassVar[Cost] = "light"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/target_lag``; 0 where there is no target network."""
        if moment.target is None:
            return {"diverge/target_lag": 0.0}
        lag = moment.online_next_q - moment.target_next_q
        return {"diverge/target_lag": float(lag.abs().mean())}
