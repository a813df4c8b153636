"""Watch a training run without changing it."""

from qdiverge.monitor.alarms import AlarmEvent
from qdiverge.monitor.attach import attach
from qdiverge.monitor.monitor import Monitor
from qdiverge.monitor.options import Loss

__all__ = ["AlarmEvent", "Loss", "Monitor", "attach"]
