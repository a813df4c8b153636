"""Running ahead: copies of a run train on, and tell what becomes of it."""

from qdiverge.rehearsal.rehearse import rehearse
from qdiverge.rehearsal.result import Rehearsal

__all__ = ["Rehearsal", "rehearse"]
