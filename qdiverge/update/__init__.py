"""What one update of a run does: described, read off its optimiser, analysed."""

from qdiverge.update.read_optimizer import read_optimizer, why_not_modelled
from qdiverge.update.rule import UpdateRule

__all__ = ["UpdateRule", "read_optimizer", "why_not_modelled"]
