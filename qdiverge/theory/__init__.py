"""From a kernel to a verdict: pure mathematics on tensors."""

from qdiverge.theory.contraction import ContractionReport, check_contraction

__all__ = ["ContractionReport", "check_contraction"]
