"""How a run stands, from what it wrote and whether its process is still there."""

from collections.abc import Mapping
from typing import Any

from qdiverge.errors import shown
from qdiverge.runs.process import is_alive
from qdiverge.thing_checks import check_instance

MEANING: dict[str, str] = {
    "running": "The run is under way.",
    "crashed": "The run crashed: it was never closed, and its process is gone.",
    "unknown": "The run has not been closed: it is under way, or it was killed.",
    "finished": "The run finished.",
    "interrupted": "The run was interrupted.",
    "alarm": "The run was stopped by its alarm.",
    "diverged": "The run ended when its loss was no finite number.",
}


def status_of(info: Mapping[str, Any]) -> str:
    """Return how a run stands, given its ``run.json``; see ``MEANING``.

    Only the run itself notes how it ended. One that says it is running, and whose process is gone,
    crashed or was killed; where that cannot be told, the status is "unknown".

    Raises:
        InvalidTypeError: that is no dict.

    >>> status_of({"status": "finished"}), status_of({"status": "running"})
    ('finished', 'unknown')
    """
    status = shown(check_instance("info", info, Mapping).get("status", "unknown"))
    if status != "running":
        return status
    return {True: "running", False: "crashed", None: "unknown"}[is_alive(info.get("process"))]
