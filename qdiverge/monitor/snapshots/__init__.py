"""What it takes to make one update again: kept in memory, written after an alarm, read back."""

from qdiverge.monitor.snapshots.reading import Snapshot, load_snapshot
from qdiverge.monitor.snapshots.recorder import Recorder

__all__ = ["Recorder", "Snapshot", "load_snapshot"]
