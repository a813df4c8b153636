"""The files of a run: ``run.json`` (what it is), ``events.jsonl`` (what happened), ``arrays/``."""

from qdiverge.runs.alarm import AlarmEvent
from qdiverge.runs.export import export_run
from qdiverge.runs.info import read_info
from qdiverge.runs.log import LogMark, RunLog
from qdiverge.runs.provenance import provenance
from qdiverge.runs.reading import Run, Series, load_run, read_events
from qdiverge.runs.run_folders import find_runs, is_run
from qdiverge.runs.sink import Sink
from qdiverge.runs.status import MEANING, status_of
from qdiverge.runs.tail import Tail

__all__ = [
    "MEANING",
    "AlarmEvent",
    "LogMark",
    "Run",
    "RunLog",
    "Series",
    "Sink",
    "Tail",
    "export_run",
    "find_runs",
    "is_run",
    "load_run",
    "provenance",
    "read_events",
    "read_info",
    "status_of",
]
