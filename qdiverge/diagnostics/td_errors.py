"""TD errors and the lag of the target network on the batch."""

from typing import ClassVar

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet_values


class TDErrors(Diagnostic):
    """Mean and largest |δ_i|, with δ_i = r_i + γ(1−d_i) max_a Q_target(s'_i, a) − Q(s_i, a_i)."""

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
    """How far the target network is behind: mean |Q(s', a) − Q_target(s', a)| over the batch."""

    needs: ClassVar[frozenset[str]] = frozenset({"target_next_q"})
    cost: ClassVar[Cost] = "light"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/target_lag``; 0 where there is no target network."""
        if moment.target is None:
            return {"diverge/target_lag": 0.0}
        online = quiet_values(moment.q_network, moment.batch.next_observations)
        return {"diverge/target_lag": float((online - moment.target_next_q).abs().mean())}
