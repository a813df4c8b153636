"""One cell in a process of its own: run the study's function, write what came of it."""

import contextlib
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from experiments.sweep.cells import Cell
from qdiverge.cli.interrupt import calling_at_stop, interrupt
from qdiverge.errors import DivergenceError, QDivergeError
from qdiverge.runs import provenance

HERE = provenance()  # once for all the cells that are forked from the process that imports this
BEAT = 2.0  # seconds between signs of life
DONE, FAILED, REFUSED = 0, 1, 2  # exit statuses; a refused cell is not tried again


def work(cell: Cell) -> int:
    """Run a cell in this process, its output to its log; return an exit status.

    A divergence is a result: the study's function returns it as a row; where it lets an alarm's
    ``DivergenceError`` through, the row is ``{"diverged": true, "reason": …}``. What else it
    raises is a failure, written down with its traceback. An error that qdiverge raises on purpose,
    and a package that is missing, would come again.
    """
    began = time.monotonic()
    with _logging(cell), _beating(cell):
        try:
            try:
                row = study(cell.study).run(cell.config, cell.folder)
            except DivergenceError as alarm:
                row = {"diverged": True, "reason": str(alarm)}
            cell.write("result.json", entry(cell, row, time.monotonic() - began))
        except Exception as error:
            traceback.print_exc()
            lines = "".join(traceback.format_exception_only(error)).strip()
            if isinstance(error, ModuleNotFoundError):
                lines += f". Install it on {platform.node()}: pip install {error.name}"
            cell.write("failure.json", {"error": lines})
            return REFUSED if isinstance(error, (QDivergeError, ImportError)) else FAILED
    return DONE


def work_and_exit(cell: Cell, sweep: int) -> None:
    """Run a cell as a process's only task, no longer than the process ``sweep`` lives.

    SIGTERM, which is how a sweep ends it, and SIGHUP raise ``KeyboardInterrupt`` in the study's
    function: a run that it has open is closed as "interrupted".
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's to handle
    threading.Thread(target=_end_with, args=(sweep,), daemon=True).start()
    try:
        with calling_at_stop(interrupt, ["SIGTERM", "SIGHUP"]):
            code = work(cell)
    except KeyboardInterrupt as stop:
        cell.write("failure.json", {"error": f"stopped by {stop}"})
        code = FAILED
    sys.exit(code)


def _end_with(process: int) -> None:
    """End this process once the other is gone: who resumes its sweep must find no one at work."""
    while True:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            os._exit(FAILED)
        time.sleep(BEAT)


def study(name: str) -> Any:
    """Return the module that a study's sweep is described by.

    Its ``cells(is_full)`` returns the settings, ``run(config, folder)`` the row of one of them.
    """
    return import_module(module_of(name))


def module_of(name: str) -> str:
    """Return the module of a study here, or of one of yours, given by its dotted name.

    >>> module_of("bottlenecks"), module_of("my_studies.first")
    ('experiments.bottlenecks.sweep', 'my_studies.first')
    """
    return name if "." in name else f"experiments.{name}.sweep"


def entry(cell: Cell, row: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Return what the table keeps of a finished cell."""
    return {
        "key": cell.key,
        "config": cell.config,
        "row": row,
        "seconds": round(seconds, 3),
        "commit": HERE["commit"],
        "hardware": HERE["hardware"],
    }


@contextlib.contextmanager
def _beating(cell: Cell) -> Iterator[None]:
    """Give a sign of life now and every few seconds, from a thread."""
    cell.beat()
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with contextlib.suppress(OSError):
                cell.beat()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _logging(cell: Cell) -> Iterator[None]:
    """Send standard output and error, also of child processes, to the end of the cell's log."""
    sys.stdout.flush()
    sys.stderr.flush()
    originals = os.dup(1), os.dup(2)
    with cell.place.open_own("log.txt") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, saved in zip((1, 2), originals, strict=True):
            os.dup2(saved, number)
            os.close(saved)
