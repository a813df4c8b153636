"""Where cells are worked on: processes here, a Ray cluster, SLURM."""

from importlib import import_module
from inspect import signature

from experiments.sweep.engines.base import Ended, Engine
from qdiverge.errors import InvalidValueError

ENGINES = {
    "local": "experiments.sweep.engines.local",
    "ray": "experiments.sweep.engines.ray_cluster",
    "slurm": "experiments.sweep.engines.slurm",
}


def make_engine(name: str, workers: int, study: str, **options: str) -> Engine:
    """Make an engine by name; its module is imported only now.

    Raises:
        InvalidValueError: there is no such option.
        MissingExtraError: what it runs on is not installed.
    """
    make = import_module(ENGINES[name]).make
    names = list(signature(make).parameters)[2:]
    if unknown := options.keys() - set(names):
        raise InvalidValueError(
            f"the engine {name} has the options {', '.join(names) or '(none)'}",
            got=", ".join(sorted(unknown)),
            remedy=f"Try: python -m experiments sweep {study} --engine {name} -h",
        )
    engine: Engine = make(workers, study, **options)
    return engine


__all__ = ["ENGINES", "Ended", "Engine", "make_engine"]
