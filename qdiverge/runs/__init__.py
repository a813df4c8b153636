"""The files of a run: ``run.json`` (what it is), ``events.jsonl`` (what happened), ``arrays/``."""

from qdiverge.runs.alarm import Alarm
from qdiverge.runs.log import RunLog
from qdiverge.runs.provenance import provenance
from qdiverge.runs.reading import Run, Series, is_run, load_run
from qdiverge.runs.sink import Sink

__all__ = ["Alarm", "Run", "RunLog", "Series", "Sink", "is_run", "load_run", "provenance"]
