"""What one update of a run does: described, read off its optimiser, and to a small difference."""

from qdiverge.update.exponent import UpdateExponent, update_exponent
from qdiverge.update.read_optimizer import read_optimizer, why_not_modelled
from qdiverge.update.rule import UpdateRule

__all__ = [
    "UpdateExponent",
    "UpdateRule",
    "read_optimizer",
    "update_exponent",
    "why_not_modelled",
]
