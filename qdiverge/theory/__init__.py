"""From a kernel to a verdict: pure mathematics on tensors."""

from qdiverge.theory.arnoldi import SpectralBounds, spectral_bounds
from qdiverge.theory.attribution import Attribution, attribute
from qdiverge.theory.descent import Descent
from qdiverge.theory.forecast import Forecast, forecast_blow_up, time_to_threshold
from qdiverge.theory.linearisation import linearisation_error
from qdiverge.theory.minibatch import MinibatchReport, check_minibatch, critical_learning_rate
from qdiverge.theory.row_condition import ContractionReport, check_contraction
from qdiverge.theory.sequence import log_error_bound
from qdiverge.theory.stability import check_stability
from qdiverge.theory.stability_report import StabilityReport
from qdiverge.theory.sup_norm import sup_norm_modulus

__all__ = [
    "Attribution",
    "ContractionReport",
    "Descent",
    "Forecast",
    "MinibatchReport",
    "SpectralBounds",
    "StabilityReport",
    "attribute",
    "check_contraction",
    "check_minibatch",
    "check_stability",
    "critical_learning_rate",
    "forecast_blow_up",
    "linearisation_error",
    "log_error_bound",
    "spectral_bounds",
    "sup_norm_modulus",
    "time_to_threshold",
]
