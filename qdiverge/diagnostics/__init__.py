"""One measured quantity of a training run per file."""

from qdiverge.batch_reading import as_transitions
from qdiverge.diagnostics.diagnose import diagnose
from qdiverge.diagnostics.diagnosis import Diagnosis
from qdiverge.diagnostics.diagnostic import COSTS, Cost, Diagnostic
from qdiverge.diagnostics.metrics.q_values import growth_rate
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.registry import REGISTRY, diagnostics_up_to
from qdiverge.diagnostics.spectrum import batch_spectrum
from qdiverge.diagnostics.value_bound import divergence_limit, soft_divergence_bound
from qdiverge.transitions import SarsaTransitions, Transitions

__all__ = [
    "COSTS",
    "REGISTRY",
    "Cost",
    "Diagnosis",
    "Diagnostic",
    "Moment",
    "SarsaTransitions",
    "Transitions",
    "as_transitions",
    "batch_spectrum",
    "diagnose",
    "diagnostics_up_to",
    "divergence_limit",
    "growth_rate",
    "soft_divergence_bound",
]
