"""Running ahead: copies of a run train on, and tell what becomes of it."""

from qdiverge.rehearsal.preflight import Preflight, preflight
from qdiverge.rehearsal.rehearse import rehearse
from qdiverge.rehearsal.result import Rehearsal
from qdiverge.rehearsal.what_if import Option, Options, what_if

__all__ = ["Option", "Options", "Preflight", "Rehearsal", "preflight", "rehearse", "what_if"]
