"""Where cells are worked on: processes here, a Ray cluster, SLURM."""

from __future__ import annotations

from importlib import import_module

from experiments.sweep.engines.base import Ended, Engine

ENGINES = {
    "local": "experiments.sweep.engines.local",
    "ray": "experiments.sweep.engines.ray_cluster",
    "slurm": "experiments.sweep.engines.slurm",
}


def make_engine(name: str, workers: int, study: str, **options: str) -> Engine:
    """An engine by name; its module is imported only now."""
    engine: Engine = import_module(ENGINES[name]).make(workers, study, **options)
    return engine


__all__ = ["ENGINES", "Ended", "Engine", "make_engine"]
