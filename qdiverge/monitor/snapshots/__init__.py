"""What it takes to make one update again: kept in memory, written after an alarm, read back."""

from qdiverge.monitor.snapshots.keeping import Keeping
from qdiverge.monitor.snapshots.recorder import SnapshotRecorder
from qdiverge.monitor.snapshots.snapshot import Snapshot, load_snapshot

__all__ = ["Keeping", "Snapshot", "SnapshotRecorder", "load_snapshot"]
