"""A score with a threshold as an alarm on whole runs: caught, how early, how many in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.foresight.corpus import Run
from experiments.foresight.scoring import Rate


@dataclass(frozen=True)
class AlarmReport:
    """What an alarm did over some runs.

    Attributes:
        caught: Divergent runs with an alarm before the blow-up, of all divergent runs.
        false_alarms: Runs that never diverged with an alarm, of all such.
        precision: Runs with an alarm that then diverged, of all runs with an alarm before one.
        leads: (blow-up − first alarm) / blow-up of each divergent run; 0 where there was none.
    """

    caught: Rate
    false_alarms: Rate
    precision: Rate
    leads: tuple[float, ...]

    @property
    def median_lead(self) -> float:
        """Return the median over all divergent runs, missed ones as 0; NaN of none."""
        return float(np.median(self.leads)) if self.leads else float("nan")

    def lead_interval(self, num_resamples: int = 2_000, seed: int = 0) -> tuple[float, float]:
        """Return a 95 % bootstrap interval of the median lead over runs."""
        if not self.leads:
            return float("nan"), float("nan")
        leads = np.array(self.leads)
        draws = np.random.default_rng(seed).integers(len(leads), size=(num_resamples, len(leads)))
        low, high = np.quantile(np.median(leads[draws], axis=1), [0.025, 0.975])
        return float(low), float(high)

    def as_json(self) -> dict[str, Any]:
        """Return every number, ready for JSON."""
        rates = {name: getattr(self, name) for name in ("caught", "false_alarms", "precision")}
        numbers: dict[str, Any] = {
            name: {"count": r.count, "total": r.total, "interval": _round(r.interval)}
            for name, r in rates.items()
        }
        numbers["median_lead"] = _round((self.median_lead,))[0]
        numbers["median_lead_interval"] = _round(self.lead_interval())
        return numbers


def report(runs: Sequence[Run], alarms: Mapping[int, int]) -> AlarmReport:
    """Judge first alarms by what became of the runs.

    Args:
        runs: All of them, also those too short for a single moment: these are missed.
        alarms: Index of a run → update of its first alarm; an alarm at the blow-up or after it is
            none.
    """
    caught, false, leads = 0, 0, []
    for index, run in enumerate(runs):
        blow_up, alarm = run.outcome.blow_up, alarms.get(index)
        if blow_up is None:
            false += alarm is not None
            continue
        is_early = alarm is not None and alarm < blow_up
        caught += is_early
        leads.append((blow_up - alarm) / blow_up if alarm is not None and is_early else 0.0)
    safe = len(runs) - len(leads)
    return AlarmReport(
        Rate(caught, len(leads)), Rate(false, safe), Rate(caught, caught + false), tuple(leads)
    )


def _round(values: Sequence[float]) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 4) for value in values]
