"""Cells as tasks of a Ray cluster: the one at ``--address``, or one started here for the sweep.

Every machine must see the sweep's folder under the same path and have qdiverge installed. Ray
itself restarts nothing: killed tasks come back as failures, and the sweep decides.
"""

import os
from pathlib import Path
from typing import Any

from experiments.sweep.cells import Cell
from experiments.sweep.engines.base import Ended, Engine, ended, ended_by
from experiments.sweep.work import work
from qdiverge.thing_checks import check_installed


def make(workers: int, study: str, address: str = "") -> Engine:
    """Make the engine.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    ray = check_installed("ray", "the engine ray needs Ray", "ray", "On every worker, too.")
    return RayEngine(ray, workers, address)


class RayEngine(Engine):
    """Tasks of one processor each, a fresh process for each."""

    def __init__(self, ray: Any, workers: int, address: str) -> None:
        self.workers, self._ray = workers, ray
        root = Path(__file__).parents[3]
        environment = {"env_vars": {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}}
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if address:
            ray.init(address=address, runtime_env=environment, log_to_driver=False)
        else:
            options = {"include_dashboard": False, "num_cpus": workers}
            ray.init(runtime_env=environment, log_to_driver=False, **options)
        self._work = ray.remote(num_cpus=1, max_calls=1, max_retries=0)(work)
        self._running: dict[Any, Cell] = {}

    def submit(self, cell: Cell) -> None:
        """Queue a task."""
        self._running[self._work.remote(cell)] = cell

    def wait(self, seconds: float) -> list[Ended]:
        """Wait for a task to end."""
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        return [self._ended(reference) for reference in done]

    def kill(self, cell: Cell) -> None:
        """Cancel its task."""
        for reference, running in self._running.items():
            if running.key == cell.key:
                self._ray.cancel(reference, force=True)

    def close(self) -> None:
        """Cancel all tasks and leave the cluster."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        self._ray.shutdown()

    def _ended(self, reference: Any) -> Ended:
        cell = self._running.pop(reference)
        try:
            return ended(cell, self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            return ended_by(cell, error)
