"""The monitor's alarm rules on the runs of the corpus: replayed, with their constants or others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from experiments.foresight.corpus import Run
from qdiverge.monitor import growth, linearised
from qdiverge.monitor.alarms import RULES
from qdiverge.monitor.past import History, Past

FORESIGHT = ("runaway_growth", "blow_up_forecast", "self_excitation")  # before the bound is passed
SHARED = ("NUM_POINTS", "MIN_R_SQUARED")
MODULES = {"growth": growth, "linearised": linearised}


def replay(run: Run) -> dict[str, int]:
    """Return rule → the update at which it first fires in a run, as in a monitor attached to it.

    Only the rules of FORESIGHT, and until the blow-up: what comes later is no foresight.
    """
    needs = {f"diverge/{name}" for rule in RULES for name in rule.needs}
    history, fired = History(needs), dict[str, int]()
    light, dear = run.light_updates, run.dear_updates
    rules = [rule for rule in RULES if rule.name in FORESIGHT]
    for index, update in enumerate(light[light < run.end + (run.outcome.blow_up is None)]):
        metrics = {name: values[index] for name, values in run.light.items()}
        place = np.flatnonzero(dear == update)
        if len(place):
            metrics |= {name: values[place[0]] for name, values in run.dear.items()}
            metrics["spectral_radius"] += 1  # kept as x − 1
        known = {f"diverge/{k}": float(v) for k, v in metrics.items() if np.isfinite(v)}
        history.add(int(update), known)
        past = Past(history.tracks(), run.bound, run.learning_rate)
        for rule in rules:
            if rule.name not in fired and rule.check(past) is not None:
                fired[rule.name] = int(update)
    return fired


@contextmanager
def constants(values: Mapping[str, Any]) -> Iterator[None]:
    """Give the rules other constants inside, by ``module.NAME``."""
    changed = {
        (module, name): value
        for path, value in values.items()
        for module, name in _places(*path.split("."))
    }
    kept = {place: getattr(*place) for place in changed}
    try:
        for (module, name), value in changed.items():
            setattr(module, name, value)
        yield
    finally:
        for (module, name), value in kept.items():
            setattr(module, name, value)


def _places(module: str, name: str) -> list[tuple[Any, str]]:
    """Where a constant is read: growth's own are shared with linearised where that imports them."""
    shared = module == "growth" and name in SHARED
    return [(MODULES[module], name), *([(linearised, name)] if shared else [])]
