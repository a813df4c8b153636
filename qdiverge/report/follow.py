"""What is known of a run while another process writes it."""

import math
import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qdiverge.plain_text import plain
from qdiverge.runs import Tail, status_of
from qdiverge.runs.alarm import Kind, read_alarm
from qdiverge.runs.boundary import Place
from qdiverge.runs.columns import RESERVED
from qdiverge.runs.info import look_at_info

NUM_SCORES = 20  # episodes that the mean score is over
PACE_WINDOW = 60.0  # seconds that the pace is measured over
MOST_POINTS = 1024  # of a history


class History:
    """A series of any length in at most twice ``MOST_POINTS`` numbers, evenly thinned.

    Of the values that a number stands for it is the one of the largest size; NaN is larger than
    any.
    """

    def __init__(self) -> None:
        self.values: list[float] = []
        self._stride, self._num_held, self._held = 1, 0, 0.0

    def add(self, value: float) -> None:
        """Append a value."""
        self._held = value if self._num_held == 0 else _larger(self._held, value)
        self._num_held += 1
        if self._num_held < self._stride:
            return
        self.values.append(self._held)
        self._num_held = 0
        if len(self.values) == 2 * MOST_POINTS:
            pairs = zip(self.values[::2], self.values[1::2], strict=True)
            self.values = [_larger(a, b) for a, b in pairs]
            self._stride *= 2


@dataclass(frozen=True)
class RaisedAlarm:
    """An alarm: its step, seconds since the run's start, rule, message and kind."""

    step: int
    time: float
    rule: str
    message: str
    kind: Kind = "divergence"


class Follower:
    """One run, read a piece at a time.

    Args:
        folder: The run's folder.

    Attributes:
        info: What ``run.json`` says.
        latest: The newest value of each metric.
        histories: Every value of each metric, thinned.
        alarms: What fired, oldest first.
        scores: The last returns.
        step: The step of the newest line.
        seconds: Its time since the run's start.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.info: dict[str, Any] = {}
        self._tail = Tail(self.folder / "events.jsonl")
        self._damage_of_info = ""
        self._forget()

    def refresh(self) -> None:
        """Read what is new.

        Raises:
            RunFolderError: there is no run, or it is of a newer schema.
        """
        self.info, self._damage_of_info = look_at_info(self.folder)
        for entries, is_anew in self._tail.pieces():
            if is_anew:
                self._forget()
            for entry in entries:
                self._take(entry)

    @property
    def name(self) -> str:
        """Return the run's name."""
        return plain(str(self.info.get("name", self.folder.name)))

    @property
    def damage(self) -> str:
        """Return in sentences what of its files is not what was written; "" if nothing is."""
        num = self._tail.num_damaged
        of_log = f"{num:,} damaged lines of events.jsonl are left out." if num else ""
        return f"{self._damage_of_info} {of_log}".strip()

    @property
    def status(self) -> str:
        """Return how the run stands; see :func:`qdiverge.runs.status_of`."""
        return status_of(self.info)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more is to come."""
        return self.status not in ("running", "unknown")

    @property
    def total_steps(self) -> int | None:
        """Return the step at which the run is to end; None where its settings do not say."""
        config = self.info.get("config")
        total = config.get("total_steps") if isinstance(config, Mapping) else None
        return total if isinstance(total, int) and total > 0 else None

    @property
    def pace(self) -> float | None:
        """Return steps a second over the last minute; None where that is not known yet."""
        if len(self._pace) < 2:
            return None
        (start, first), (end, last) = self._pace[0], self._pace[-1]
        return (last - first) / (end - start) if end > start else None

    @property
    def remaining(self) -> float | None:
        """Return seconds to go, by steps or clock, whichever is less; None where not known."""
        limits = []
        if self.total_steps is not None and self.pace:
            limits.append(max(self.total_steps - self.step, 0) / self.pace)
        deadline = self.info.get("deadline_seconds")
        if isinstance(deadline, int | float):
            limits.append(max(deadline - self.seconds, 0.0))
        return min(limits, default=None)

    @property
    def silence(self) -> float | None:
        """Return the seconds since the run wrote last; None where it has no log."""
        try:
            return max(time.time() - Place.of(self.folder).modified("events.jsonl"), 0.0)
        except OSError:
            return None

    def _forget(self) -> None:
        self.latest: dict[str, float] = {}
        self.histories: dict[str, History] = {}
        self.alarms: list[RaisedAlarm] = []
        self.scores: deque[float] = deque(maxlen=NUM_SCORES)
        self.step, self.seconds = 0, 0.0
        self._pace: deque[tuple[float, int]] = deque()

    def _take(self, entry: Mapping[str, Any]) -> None:
        step, seconds = int(entry.get("step", self.step)), float(entry.get("time", self.seconds))
        self._measure_pace(step, seconds)
        self.step, self.seconds = step, seconds
        if entry["kind"] == "alarm":
            alarm = read_alarm(entry)
            raised = RaisedAlarm(step, seconds, alarm.rule, alarm.message, alarm.kind)
            self.alarms.append(raised)
        elif entry["kind"] == "metrics":
            for key in entry.keys() - RESERVED:
                value = float(entry[key])
                self.latest[key] = value
                self.histories.setdefault(key, History()).add(value)
            if "charts/episodic_return" in entry:
                self.scores.append(float(entry["charts/episodic_return"]))

    def _measure_pace(self, step: int, seconds: float) -> None:
        if self._pace and (seconds < self._pace[-1][0] or step < self._pace[-1][1]):
            self._pace.clear()  # resumed
        if not self._pace or seconds - self._pace[-1][0] >= 0.5:
            self._pace.append((seconds, step))
        while len(self._pace) > 2 and seconds - self._pace[0][0] > PACE_WINDOW:
            self._pace.popleft()


def _larger(a: float, b: float) -> float:
    return a if math.isnan(a) or abs(a) > abs(b) else b
