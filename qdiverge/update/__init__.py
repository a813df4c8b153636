"""What one update of a run does: described, read off optimiser and gradient, and what it grows."""

from qdiverge.update.auditing import Audit, Auditor, Finding, audit, audit_data
from qdiverge.update.exponent import update_exponent
from qdiverge.update.map_exponent import UpdateExponent
from qdiverge.update.read_optimizer import measured_otherwise, read_optimizer, why_not_modelled
from qdiverge.update.rule import UpdateRule

__all__ = [
    "Audit",
    "Auditor",
    "Finding",
    "UpdateExponent",
    "UpdateRule",
    "audit",
    "audit_data",
    "measured_otherwise",
    "read_optimizer",
    "update_exponent",
    "why_not_modelled",
]
