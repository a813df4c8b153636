"""Watch a training run without changing it."""

from qdiverge.monitor.alarms import AlarmEvent
from qdiverge.monitor.attach import attach
from qdiverge.monitor.monitor import Monitor
from qdiverge.monitor.options import Loss
from qdiverge.monitor.snapshots import Snapshot, load_snapshot

__all__ = ["AlarmEvent", "Loss", "Monitor", "Snapshot", "attach", "load_snapshot"]
