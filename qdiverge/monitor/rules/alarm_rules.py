"""Every alarm rule: what it reads, and whether it is about divergence itself.

A rule is a pure function of thresholds and of the past of the metrics that it names; it returns
what it has to say to a person (what, since when, how sure, what to do), or None.
"""

from collections.abc import Callable
from dataclasses import dataclass

from qdiverge.monitor.rules.capacity import dead_units, end_atoms, rank_collapse
from qdiverge.monitor.rules.growth import not_finite, runaway_growth, soft_divergence
from qdiverge.monitor.rules.linearised import blow_up_forecast, self_excitation
from qdiverge.monitor.rules.past import Past
from qdiverge.monitor.rules.thresholds import Thresholds
from qdiverge.monitor.rules.undiscounted import undiscounted_growth
from qdiverge.runs.alarm import Kind


@dataclass(frozen=True)
class AlarmRule:
    """A rule, and what belongs to it.

    Attributes:
        check: The rule itself.
        needs: The metrics that it reads, without ``diverge/``.
        stops: Whether ``on_alarm="stop"`` ends the run by it: only where values diverge or are
            about to; a network that loses capacity goes on.
        kind: What it is about.
    """

    check: Callable[[Past, Thresholds], str | None]
    needs: frozenset[str]
    stops: bool
    kind: Kind = "divergence"

    @property
    def name(self) -> str:
        """Return the name under which an alarm is logged."""
        return self.check.__name__


_SIZE = frozenset({"q_abs_max", "divergence_limit"})  # and what it is held against
ALARM_RULES: tuple[AlarmRule, ...] = (
    AlarmRule(not_finite, frozenset({"q_abs_max", "batch_q_abs_max"}), stops=True),
    AlarmRule(soft_divergence, _SIZE | {"batch_q_abs_max"}, stops=True),
    AlarmRule(undiscounted_growth, _SIZE | {"batch_q_abs_max"}, stops=True),
    AlarmRule(runaway_growth, _SIZE | {"td_error_abs_mean"}, stops=True),
    AlarmRule(
        blow_up_forecast,
        _SIZE | {"spectral_radius", "linearisation_error", "td_error_abs_mean"},
        stops=True,
    ),
    AlarmRule(self_excitation, frozenset({"self_excitation", "td_error_abs_mean"}), stops=False),
    AlarmRule(dead_units, frozenset({"dead_units"}), stops=False, kind="condition"),
    AlarmRule(rank_collapse, frozenset({"srank"}), stops=False, kind="condition"),
    AlarmRule(
        end_atoms, frozenset({"low_atom_mass", "high_atom_mass"}), stops=False, kind="condition"
    ),
)
