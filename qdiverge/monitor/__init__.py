"""Watch a training run without changing it."""

from qdiverge.monitor.attach import attach
from qdiverge.monitor.monitor import Monitor
from qdiverge.monitor.options import Loss, MonitorOptions
from qdiverge.monitor.saved_state import TENSORS, VALUES, dump_state, load_state
from qdiverge.monitor.snapshots import Snapshot, load_snapshot
from qdiverge.runs import AlarmEvent

__all__ = [
    "TENSORS",
    "VALUES",
    "AlarmEvent",
    "Loss",
    "Monitor",
    "MonitorOptions",
    "Snapshot",
    "attach",
    "dump_state",
    "load_snapshot",
    "load_state",
]
