"""Pass what a run logs on to other places, none of which can end the run."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from qdiverge.generators import same_generators
from qdiverge.runs.alarm import AlarmEvent


class Sink(Protocol):
    """A place beside ``events.jsonl`` that is told what a run logs; any such object will do."""

    def start(self, folder: Path, info: Mapping[str, Any]) -> None:
        """Begin a run: its folder, and what its ``run.json`` says (name, config, versions …)."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take metrics as they were measured, NaN and infinities among them."""

    def alarm(self, alarm: AlarmEvent) -> None:
        """Take an alarm."""

    def close(self, status: str) -> None:
        """Pass on what is left; the run is over, and ``status`` says how it ended."""


class SinkGroup:
    """Tells every sink the same; one that fails is switched off with a single warning.

    A sink that draws from a global generator, for the name of a run, say, changes nothing: the
    states of ``random``, NumPy and PyTorch are put back.
    """

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = list(sinks)

    def start(self, folder: Path, info: Mapping[str, Any]) -> None:
        """See :class:`Sink`."""
        self._tell(lambda sink: sink.start(folder, info))

    def metrics(self, step: int, values: Mapping[str, float | str]) -> None:
        """See :class:`Sink`; a number that a line keeps as text comes to it as a number."""
        self._tell(lambda sink: sink.metrics(step, {k: float(v) for k, v in values.items()}))

    def alarm(self, alarm: AlarmEvent) -> None:
        """See :class:`Sink`."""
        self._tell(lambda sink: sink.alarm(alarm))

    def close(self, status: str) -> None:
        """See :class:`Sink`."""
        self._tell(lambda sink: sink.close(status))
        self._sinks.clear()

    def forget(self) -> None:
        """Tell the sinks nothing more; they are kept, lest they write something as they go."""
        self._forgotten, self._sinks = self._sinks, []

    def _tell(self, tell: Callable[[Sink], None]) -> None:
        for sink in self._sinks.copy():
            try:
                with same_generators():
                    tell(sink)
            except Exception as error:  # whatever it is, it must not end somebody's training run
                self._sinks.remove(sink)
                warnings.warn(
                    f"qdiverge: the sink {type(sink).__name__} failed and is switched off; "
                    "training goes on, and events.jsonl has everything. "
                    f"{type(error).__name__}: {error}",
                    stacklevel=4,
                )
