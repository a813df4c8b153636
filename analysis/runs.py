"""One row a run: what it was, how large its values grew, whether it was warned of."""

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from qdiverge.runs import Run, load_run


def run_table(folders: Iterable[str | os.PathLike[str]]) -> list[dict[str, Any]]:
    """Return a row for each run folder, also of runs that crashed half-way.

    Columns: ``name``, ``status``, ``seed``, ``max_abs_q``, ``bound``, ``diverged_at`` (the first
    step at which max|Q| passed the bound or was not finite; None), ``warned_at`` (the first alarm
    before that; None), ``lead`` (their difference), ``last_return`` (mean of the last 10
    episodes), and the run's configuration as ``config.…``.
    """
    return [_row(load_run(folder)) for folder in folders]


def _row(run: Run) -> dict[str, Any]:
    diverged_at, magnitudes, bound = None, run.series.get("diverge/q_abs_max"), None
    if magnitudes is not None:
        bounds = run.series["diverge/soft_divergence_bound"].values
        bound = float(bounds[-1])
        beyond = ~(magnitudes.values <= bounds)  # NaN is beyond, too
        if beyond.any():
            diverged_at = int(magnitudes.steps[beyond][0])
    alarms = [alarm for alarm in run.alarms if alarm.kind == "divergence"]
    warned = [a.step for a in alarms if diverged_at is None or a.step < diverged_at]
    warned_at = min(warned, default=None)
    returns = run.series.get("charts/episodic_return")
    lead = None if diverged_at is None or warned_at is None else diverged_at - warned_at
    return {
        "name": run.name,
        "status": run.info.get("status"),
        "seed": run.info.get("seed"),
        "max_abs_q": None if magnitudes is None else float(np.max(magnitudes.values)),
        "bound": bound,
        "diverged_at": diverged_at,
        "warned_at": warned_at,
        "lead": lead,
        "last_return": None if returns is None else float(returns.values[-10:].mean()),
        **{f"config.{key}": value for key, value in run.info.get("config", {}).items()},
    }
