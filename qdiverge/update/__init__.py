"""What one update does: to the state of a run, and to a small difference in it."""

from qdiverge.update.exponent import UpdateExponent, update_exponent

__all__ = ["UpdateExponent", "update_exponent"]
