"""Write a run as it happens."""

import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import Self

from qdiverge.checks import check_integer
from qdiverge.errors import InvalidTypeError, InvalidValueError, RunFolderError
from qdiverge.plain_text import warn
from qdiverge.runs.alarm import AlarmEvent, Kind
from qdiverge.runs.boundary import Place
from qdiverge.runs.event_lines import sealed
from qdiverge.runs.forked import forget_in_children
from qdiverge.runs.info import (
    SCHEMA,
    check_is_free,
    look_at_info,
    reserve,
    write_info,
    write_last,
)
from qdiverge.runs.line_file import LineFile
from qdiverge.runs.lock import FolderLock
from qdiverge.runs.logged_numbers import logged_numbers
from qdiverge.runs.plain_settings import plain_settings
from qdiverge.runs.process import own_process
from qdiverge.runs.provenance import provenance, script_commit
from qdiverge.runs.reading import array_names, step_of
from qdiverge.runs.sink import Sink, SinkGroup
from qdiverge.runs.whole import writing
from qdiverge.thing_checks import check_path, check_text

OWN_INFO = frozenset(("schema", "status", "process", "config"))  # that no caller may say
EPISODE_LENGTH = "charts/episodic_length"  # steps, as CleanRL names it
LOST = ("lost_writes", "lost_in")  # in run.json, where something could not be written


@dataclass(frozen=True)
class LogMark:
    """A place in a run's log.

    Args:
        position: Bytes of ``events.jsonl`` before it.
        seconds: Of the run before it.
    """

    position: int
    seconds: float


class RunLog:
    """The open log of one run; no other process can write it meanwhile, nor can a forked child.

    Args:
        folder: A new or empty place; a folder that already holds a run is refused.
        config: The run's settings, JSON-serialisable.
        step_unit: What ``step`` counts: "agent steps" or "updates".
        info: More entries for ``run.json``, such as ``seed`` and ``device``.
        sinks: Further places that are told the same; one that fails is switched off.

    Attributes:
        longest_episode: The largest ``charts/episodic_length`` so far; None: none was logged.

    Raises:
        RunFolderError: the folder holds a run, is a file, or cannot be written.
    """

    folder: Path
    info: dict[str, Any]
    damage: str = ""  # what was wrong with the run.json of a run that goes on
    longest_episode: float | None = None
    _events: LineFile
    _sinks: SinkGroup

    def __init__(
        self,
        folder: str | os.PathLike[str],
        config: Mapping[str, Any] | None = None,
        *,
        step_unit: str = "updates",
        info: Mapping[str, Any] | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        self.folder = check_path("the run folder", folder)
        settings, more = plain_settings("config", config), plain_settings("info", info)
        if taken := sorted(more.keys() & OWN_INFO):
            raise InvalidValueError("info must not hold what the log says", got=", ".join(taken))
        self.info = {
            "schema": SCHEMA,
            "name": self.folder.name,
            "status": "running",
            "process": own_process(),
            "step_unit": check_text("step_unit", step_unit),
            "config": settings,
            **provenance(),
            "script_commit": script_commit(),
            **more,
        }
        check_is_free(self.folder)
        with writing(self.folder, "folder", "Choose another folder (out=…, --out)."):
            self.folder.mkdir(exist_ok=True)
            self._sinks = SinkGroup(())
            self._open()
            try:
                check_is_free(self.folder)  # of somebody who came between
                write_info(self.folder, self.info)
                reserve(self.folder)
            except BaseException:
                self._release()
                raise
        self._sinks = SinkGroup(sinks)
        self._sinks.start(self.folder, self.info)

    @classmethod
    def reopen(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the log of a run that is to go on; nothing is changed before ``rewind``.

        Raises:
            RunFolderError: there is no run, or a process is writing it.
        """
        log = cls.__new__(cls)
        log.folder = Path(folder)
        log.info, log.damage = look_at_info(log.folder)
        if log.damage:
            warn(f"{log.folder}: {log.damage}")
        log._sinks = SinkGroup(())
        log._open()
        return log

    def rewind(
        self, mark: LogMark, step: int, config: Mapping[str, Any], sinks: Sequence[Sink] = ()
    ) -> None:
        """Go on from ``mark``: what was logged after it will happen again.

        Args:
            mark: As ``sync`` gave it.
            step: Where the run goes on.
            config: Its settings from here on.
            sinks: Further places that are told the same from here on.
        """
        self._events.cut(mark.position)
        arrays = Place.of(self.folder) / "arrays"
        for file in array_names(arrays):
            if step_of(file) > step:
                arrays.remove(file)
        self._start = time.monotonic() - mark.seconds
        self.info |= {"status": "running", "process": own_process(), "config": dict(config)}
        self.info.setdefault("resumed", []).append({"step": step, **provenance()})
        for name in LOST:
            self.info.pop(name, None)  # they come again
        write_info(self.folder, self.info)
        reserve(self.folder)
        self._sinks = SinkGroup(sinks)
        self._sinks.start(self.folder, self.info)

    def sync(self) -> LogMark:
        """Bring all that was logged to the disk; the place where that ends.

        Raises:
            OSError: it cannot be written.
            RunFolderError: this is a child of the process that opened it.
        """
        if self._is_parents:
            raise RunFolderError(
                "a log is written by the process that opened it",
                got=f"a child of it, for {self.folder}",
                remedy="Save, and log, in the parent.",
            )
        return LogMark(self._events.sync(), self._seconds())

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line of metrics; NaN and infinities are kept, as strings.

        Raises:
            InvalidTypeError: one of them is no number; the others are logged.
        """
        step, (kept, lost) = check_integer("step", step, 0), logged_numbers(values)
        if (length := float(kept.get(EPISODE_LENGTH, 0))) > (self.longest_episode or 0):
            self.longest_episode = length
        self._append({"kind": "metrics", "step": step} | kept)
        self._sinks.metrics(step, kept)
        if lost:
            raise InvalidTypeError("what is logged must be numbers", got="; ".join(lost))

    def alarm(
        self,
        step: int,
        update: int,
        rule: str,
        message: str,
        kind: Kind = "divergence",
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Append one alarm: which rule fired, a sentence for a person, and of which class it is."""
        told = plain_settings("evidence", evidence)
        entry = {"kind": "alarm", "step": step, "update": update, "rule": rule, "message": message}
        self._append(entry | {"class": kind} | ({"evidence": told} if told else {}))
        self._sinks.alarm(AlarmEvent(step, update, rule, message, kind, told))

    def target_sync(self, step: int, update: int) -> None:
        """Append that the target network was seen to have changed before this update."""
        self._append({"kind": "sync", "step": step, "update": update})

    def arrays(self, name: str, step: int, arrays: Mapping[str, np.ndarray]) -> Path | None:
        """Save arrays as ``arrays/NAME-STEP.npz``, whole or not at all; None where that failed."""
        if self._is_parents:
            return None
        if any(np.asanyarray(array).dtype.hasobject for array in arrays.values()):
            raise ValueError(f"arrays of {name} hold Python objects (allow_pickle=False)")
        place, file_name = Place.of(self.folder) / "arrays", f"{name}-{step:010d}.npz"
        path = place.path / file_name
        try:
            with place.made().writing(file_name) as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # no allow_pickle
        except OSError as error:
            self._lose(1, path)
            self._warn(path, error, "training goes on without such arrays")
            return None
        return path

    def note(self, entries: Mapping[str, Any]) -> None:
        """Add entries to ``run.json``."""
        self.info |= entries
        if not self._is_parents:
            self._write_info(write_info, "its new entries are kept in memory until the run ends")

    def leave(self) -> None:
        """Close the log and leave its run as it is."""
        self._release()

    def forget(self) -> None:
        """Let go of everything in a forked child: what it logs then goes nowhere."""
        self._is_parents = True
        self._events.forget()
        self._lock.release()  # a copy of its file; the parent has its own
        self._sinks.forget()

    def close(self, status: str = "finished", seconds: float | None = None) -> None:
        """Close the log; a second call changes nothing.

        Args:
            status: How the run ended.
            seconds: How long it took; None: until now.
        """
        if self._events.is_closed:
            return
        self.info["status"] = status
        self.info["seconds"] = self._seconds() if seconds is None else seconds
        self._lose(self._events.close(), self._events.path)
        try:
            self._write_info(write_last, f"it does not say that the run is {status}")
        finally:
            self._release()
        self._sinks.close(status)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close("finished" if kind is None else "interrupted")

    def _append(self, entry: dict[str, Any]) -> None:
        entry["time"] = self._seconds()
        line = sealed(entry)
        if not self._is_parents:
            self._events.append(line)

    def _open(self) -> None:
        """Lock the folder and open its log; ``_release`` undoes both."""
        self._start = time.monotonic()
        self._has_warned = self._is_parents = False
        self._lock = FolderLock(self.folder)
        try:
            self._events = LineFile(self.folder / "events.jsonl", self._warn)
        except BaseException:
            self._lock.release()
            raise
        forget_in_children(self)

    def _release(self) -> None:
        self._events.close()
        self._lock.release()

    def _write_info(
        self, write: Callable[[Path, Mapping[str, Any]], None], consequence: str
    ) -> None:
        try:
            write(self.folder, self.info)
        except OSError as error:
            self._warn(self.folder / "run.json", error, consequence)

    def _lose(self, number: int, path: Path) -> None:
        """Note, for the run's last word, how many lines and arrays are lost, and the last file."""
        if number:
            self.info["lost_writes"] = self.info.get("lost_writes", 0) + number
            self.info["lost_in"] = str(path.relative_to(self.folder))

    def _warn(self, path: Path, error: OSError, consequence: str) -> None:
        """Say, the first time, that something cannot be written."""
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"qdiverge: {path} cannot be written ({error.strerror}); {consequence}.",
                stacklevel=6,
            )

    def _seconds(self) -> float:
        """Return the seconds since the start of the run."""
        return round(time.monotonic() - self._start, 3)
