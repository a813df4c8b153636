"""The monitor's alarm rules on the runs of the corpus: replayed, by its thresholds or others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np

from experiments.foresight.corpus import Run
from qdiverge.monitor.rules.alarm_rules import ALARM_RULES
from qdiverge.monitor.rules.past import Past, Track
from qdiverge.monitor.rules.thresholds import THRESHOLDS, Thresholds

FORESIGHT = ("runaway_growth", "blow_up_forecast", "self_excitation")  # before the bound is passed
RULES = [rule for rule in ALARM_RULES if rule.name in FORESIGHT]
NEEDS = {name for rule in RULES for name in rule.needs}


def replay(run: Run, thresholds: Thresholds = THRESHOLDS) -> dict[str, int]:
    """Return rule → the update at which it first fires in a run, as in a monitor attached to it.

    Only the rules of FORESIGHT, and until the blow-up: what comes later is no foresight.
    """
    fired: dict[str, int] = {}
    for update, past in pasts(run):
        for rule in RULES:
            if rule.name not in fired and rule.check(past, thresholds) is not None:
                fired[rule.name] = update
    return fired


@cache
def pasts(run: Run) -> list[tuple[int, Past]]:
    """Return what the rules look back on at each measurement of a run before its blow-up."""
    tracks = {}
    for updates, metrics in ((run.light_updates, run.light), (run.dear_updates, run.dear)):
        for name in metrics.keys() & NEEDS:
            is_measured = np.isfinite(metrics[name])
            values = metrics[name][is_measured] + (name == "spectral_radius")  # kept as x − 1
            tracks[f"diverge/{name}"] = Track(updates[is_measured], values)
    limit = run.outcome.blow_up or np.inf
    return [
        (int(update), Past(_until(tracks, update), run.bound, run.learning_rate))
        for update in run.light_updates[run.light_updates < limit]
    ]


def with_values(values: Mapping[str, float]) -> Thresholds:
    """Return the monitor's thresholds with other values, by GROUP.FIELD.

    >>> with_values({"growth.num_points": 6}).growth.num_points
    6
    """
    thresholds = THRESHOLDS
    for path, value in values.items():
        group, _, name = path.partition(".")
        changed = replace(getattr(thresholds, group), **{name: value})
        thresholds = replace(thresholds, **{group: changed})
    return thresholds


def _until(tracks: dict[str, Track], update: int) -> dict[str, Track]:
    ends = {
        name: int(np.searchsorted(track.updates, update, side="right"))
        for name, track in tracks.items()
    }
    return {
        name: Track(track.updates[: ends[name]], track.values[: ends[name]])
        for name, track in tracks.items()
    }
