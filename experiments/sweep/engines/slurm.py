"""Cells as jobs of SLURM, through submitit; ``--cluster local`` runs the same jobs here.

The sweep's folder must lie on a file system that the nodes share.
"""

import time
from typing import Any

from experiments.sweep.cells import Cell
from experiments.sweep.engines.base import Ended, Engine, ended, ended_by
from experiments.sweep.work import work
from qdiverge.thing_checks import check_installed

POLL = 1.0  # seconds between looks at the queue


def make(
    workers: int, study: str, cluster: str = "slurm", partition: str = "", minutes: str = "240"
) -> Engine:
    """Make the engine.

    Raises:
        MissingExtraError: submitit is not installed.
    """
    submitit = check_installed("submitit", "the engine slurm needs submitit", "slurm")
    return SlurmEngine(submitit, workers, cluster, partition, int(minutes))


class SlurmEngine(Engine):
    """Jobs of one task and one processor each."""

    def __init__(
        self, submitit: Any, workers: int, cluster: str, partition: str, minutes: int
    ) -> None:
        self.workers = workers
        self._submitit, self._cluster = submitit, cluster
        self._options: dict[str, Any] = {"timeout_min": minutes, "cpus_per_task": 1}
        if partition:
            self._options["slurm_partition"] = partition
        self._running: dict[str, tuple[Cell, Any]] = {}

    def submit(self, cell: Cell) -> None:
        """Queue a job."""
        executor = self._submitit.AutoExecutor(cell.folder / "jobs", cluster=self._cluster)
        executor.update_parameters(name=f"{cell.study}-{cell.key}", **self._options)
        self._running[cell.key] = cell, executor.submit(work, cell)

    def wait(self, seconds: float) -> list[Ended]:
        """Look at the queue until a job has ended."""
        end = time.monotonic() + seconds
        while True:
            done = [pair for pair in self._running.values() if pair[1].done()]
            if done or time.monotonic() >= end:
                return [self._ended(cell, job) for cell, job in done]
            time.sleep(min(POLL, seconds))

    def kill(self, cell: Cell) -> None:
        """Cancel its job."""
        if cell.key in self._running:
            self._running[cell.key][1].cancel(check=False)

    def close(self) -> None:
        """Cancel all jobs."""
        for _, job in self._running.values():
            job.cancel(check=False)
        self._running.clear()

    def _ended(self, cell: Cell, job: Any) -> Ended:
        del self._running[cell.key]
        error = job.exception()
        return ended(cell, job.result()) if error is None else ended_by(cell, error)
