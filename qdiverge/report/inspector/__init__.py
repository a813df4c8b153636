"""The Inspector: one moment of a Q-network on one page, down to single transitions."""

from qdiverge.report.inspector.inspected import Inspection, inspection_of
from qdiverge.report.inspector.inspector_page import inspect, write_inspection

__all__ = ["Inspection", "inspect", "inspection_of", "write_inspection"]
