"""The Inspector: one moment of a Q-network on one page, down to single transitions."""

from qdiverge.report.inspector.moment import Inspection, inspection_of
from qdiverge.report.inspector.page import inspect, write_inspection

__all__ = ["Inspection", "inspect", "inspection_of", "write_inspection"]
