"""Watch a training run without changing it."""

from qdiverge.monitor.alarms import AlarmEvent
from qdiverge.monitor.attach import attach
from qdiverge.monitor.monitor import Monitor

__all__ = ["AlarmEvent", "Monitor", "attach"]
