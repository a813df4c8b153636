"""Read off a gradient, and off the data, what a loop trains; name what it does otherwise."""

from qdiverge.update.auditing.audit import Audit, audit
from qdiverge.update.auditing.auditor import Auditor
from qdiverge.update.auditing.data_audit import audit_data
from qdiverge.update.auditing.findings import Finding

__all__ = ["Audit", "Auditor", "Finding", "audit", "audit_data"]
