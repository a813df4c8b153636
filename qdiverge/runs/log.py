"""Write a run as it happens: whole lines, appended and flushed, so that a crash loses none."""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from qdiverge.errors import RunFolderError
from qdiverge.runs.alarm import Alarm
from qdiverge.runs.process import own_process
from qdiverge.runs.provenance import provenance
from qdiverge.runs.sink import Fan, Sink

SCHEMA = 1  # of run.json and events.jsonl; raised when an old reader would misread a new file


class RunLog:
    """The open log of one run.

    Args:
        folder: A new or empty place; a folder that already holds a run is refused.
        config: The run's settings, JSON-serialisable.
        step_unit: What ``step`` counts: "agent steps" or "updates".
        info: More entries for ``run.json``, such as ``seed`` and ``device``.
        sinks: Further places that are told the same; one that fails is switched off.

    Raises:
        RunFolderError: the folder holds a run, is a file, or cannot be written.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        *,
        step_unit: str = "updates",
        info: Mapping[str, Any] | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.folder = Path(folder)
        self.info: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.folder.name,
            "status": "running",
            "process": own_process(),
            "step_unit": step_unit,
            "config": dict(config or {}),
            **provenance(),
            **(info or {}),
        }
        if (self.folder / "run.json").exists():
            raise RunFolderError(
                "a folder without a run was expected",
                got=f"{self.folder}, which holds one",
                remedy="Choose another --out, or delete that folder.",
            )
        self._start = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write_info()
            self._events = (self.folder / "events.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            raise RunFolderError(
                f"a folder that can be written was expected at {self.folder}",
                got=error.strerror,
                remedy="Choose another --out.",
            ) from error
        self._fan = Fan(sinks)
        self._fan.start(self.folder, self.info)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line of metrics; NaN and infinities are kept, as strings."""
        self._append({"kind": "metrics", "step": step} | {k: _number(v) for k, v in values.items()})
        self._fan.metrics(step, values)

    def alarm(self, step: int, update: int, rule: str, message: str) -> None:
        """Append one alarm: which rule fired, and a sentence for a person."""
        self._append(
            {"kind": "alarm", "step": step, "update": update, "rule": rule, "message": message}
        )
        self._fan.alarm(Alarm(step, update, rule, message))

    def arrays(self, name: str, step: int, arrays: Mapping[str, np.ndarray]) -> Path:
        """Save arrays as ``arrays/NAME-STEP.npz``, whole or not at all."""
        path = self.folder / "arrays" / f"{name}-{step:010d}.npz"
        path.parent.mkdir(exist_ok=True)
        aside = path.with_suffix(".tmp")
        with aside.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        aside.replace(path)
        return path

    def close(self, status: str = "finished") -> None:
        """Close the log with how the run ended; a second call changes nothing."""
        if self._events.closed:
            return
        self._events.close()
        self.info["status"] = status
        self.info["seconds"] = round(time.monotonic() - self._start, 3)
        self._write_info()
        self._fan.close(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _append(self, entry: dict[str, Any]) -> None:
        entry["time"] = round(time.monotonic() - self._start, 3)  # seconds since the start
        self._events.write(json.dumps(entry, allow_nan=False) + "\n")
        self._events.flush()

    def _write_info(self) -> None:
        aside = self.folder / "run.json.tmp"
        aside.write_text(json.dumps(self.info, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        aside.replace(self.folder / "run.json")


def _number(value: float) -> float | int | str:
    """JSON has no NaN; "nan", "inf" and "-inf" read back with ``float``."""
    if isinstance(value, int):
        return value
    value = float(value)
    return value if math.isfinite(value) else str(value)
