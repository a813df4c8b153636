"""The monitor's alarm rules on the runs of the corpus: replayed, with their constants or others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from experiments.foresight.corpus import Run
from qdiverge.monitor.rules import growth, linearised
from qdiverge.monitor.rules.alarms import RULES
from qdiverge.monitor.rules.past import Past, Track

FORESIGHT = ("runaway_growth", "blow_up_forecast", "self_excitation")  # before the bound is passed
NEEDS = {name for rule in RULES if rule.name in FORESIGHT for name in rule.needs}
SHARED = ("NUM_POINTS", "MIN_R_SQUARED")
MODULES = {"growth": growth, "linearised": linearised}


def replay(run: Run) -> dict[str, int]:
    """Return rule → the update at which it first fires in a run, as in a monitor attached to it.

    Only the rules of FORESIGHT, and until the blow-up: what comes later is no foresight.
    """
    fired: dict[str, int] = {}
    rules = [rule for rule in RULES if rule.name in FORESIGHT]
    for update, past in pasts(run):
        for rule in rules:
            if rule.name not in fired and rule.check(past) is not None:
                fired[rule.name] = update
    return fired


@cache
def pasts(run: Run) -> list[tuple[int, Past]]:
    """What the rules look back on at each measurement of a run before its blow-up."""
    tracks = {}
    for times, tier in ((run.light_updates, run.light), (run.dear_updates, run.dear)):
        for name in tier.keys() & NEEDS:
            known = np.isfinite(tier[name])
            values = tier[name][known] + (name == "spectral_radius")  # kept as x − 1
            tracks[f"diverge/{name}"] = Track(times[known], values)
    limit = run.outcome.blow_up or np.inf
    found = []
    for update in run.light_updates[run.light_updates < limit]:
        cut = {name: _until(track, update) for name, track in tracks.items()}
        found.append((int(update), Past(cut, run.bound, run.learning_rate)))
    return found


def _until(track: Track, update: int) -> Track:
    end = int(np.searchsorted(track.updates, update, side="right"))
    return Track(track.updates[:end], track.values[:end])


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
