"""Cells as processes on this machine, each forked from a server that has imported the study.

One process dying takes nothing else with it, where a pool of workers would lose all its futures.
The server imports PyTorch once, so that a short cell does not pay for it.
"""

import contextlib
import os
from multiprocessing import get_context
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import ForkServerProcess

from experiments.sweep.cells import Cell
from experiments.sweep.engines.base import Ended, Engine, ended
from experiments.sweep.work import module_of, work_and_exit

PATIENCE = 20.0  # seconds in which a cell may save what it has


def make(workers: int, study: str) -> Engine:
    """Make the engine for a study."""
    return LocalEngine(workers, study)


class LocalEngine(Engine):
    """Processes of one thread each."""

    def __init__(self, workers: int, study: str) -> None:
        self.workers = workers
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by the server's PyTorch
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(["experiments.sweep.work", module_of(study)])
        self._running: dict[str, tuple[Cell, ForkServerProcess]] = {}

    def submit(self, cell: Cell) -> None:
        """Fork a process."""
        process = self._context.Process(
            target=work_and_exit, args=(cell, os.getpid()), daemon=False
        )
        process.start()
        self._running[cell.key] = cell, process

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for a process to end."""
        wait_for([process.sentinel for _, process in self._running.values()], seconds)
        over = [(c, p) for c, p in self._running.values() if not p.is_alive()]
        return [self._ended(cell, process) for cell, process in over]

    def kill(self, cell: Cell) -> None:
        """Kill its process."""
        if cell.key in self._running:
            self._running[cell.key][1].kill()

    def close(self) -> None:
        """Ask every process to end; kill those that do not while they are waited for."""
        for _, process in self._running.values():
            process.terminate()
        for _, process in self._running.values():
            process.join(PATIENCE)
            if process.is_alive():
                with contextlib.suppress(OSError):
                    process.kill()
                process.join()
        self._running.clear()

    def _ended(self, cell: Cell, process: ForkServerProcess) -> Ended:
        process.join()
        code = process.exitcode
        del self._running[cell.key]
        process.close()
        return ended(cell, code, f"its process ended with status {code}")
