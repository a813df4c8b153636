"""The files of a run: ``run.json`` (what it is), ``events.jsonl`` (what happened), ``arrays/``."""

from qdiverge.runs.log import LogMark, RunLog
from qdiverge.runs.provenance import provenance
from qdiverge.runs.reading import Alarm, Run, Series, Sync, is_run, load_run

__all__ = [
    "Alarm",
    "LogMark",
    "Run",
    "RunLog",
    "Series",
    "Sync",
    "is_run",
    "load_run",
    "provenance",
]
