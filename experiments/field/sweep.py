"""The study's cells, for ``python -m experiments sweep field``."""

from __future__ import annotations

import math
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from experiments.field.cell import LOOPS, NUM_EPISODES, Cell, every_cell
from experiments.field.eye import Eye
from experiments.threads import one_thread
from experiments.tracing import rounded
from qdiverge.diagnostics.value_bound import BEGUN, EXCUSED
from qdiverge.report.verdict import verdict_on
from qdiverge.runs import Run, load_run

BOUND, OFF_LINE = "diverge/soft_divergence_bound", "diverge/linearisation_error"


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the settings of every run; in full with three more seeds of each."""
    return [asdict(cell) for cell in every_cell(more_seeds=3 if is_full else 0)]


@one_thread()
def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what one run did, what the monitor said of it, and what that took."""
    cell, eye, place = Cell(**config), Eye(), folder / "run"
    shutil.rmtree(place, ignore_errors=True)
    train = LOOPS[cell.run].train
    pair = [train(cell.run, cell.seed, None, Eye())] if cell.is_paired else []
    watched = train(cell.run, cell.seed, place, eye)
    row = what_came(cell, eye, load_run(place))
    row["cpu_seconds"] = round(watched.cpu_seconds - eye.cpu_seconds, 2)
    if pair:  # the one before is warmer than none, the one after as warm as can be
        pair.append(train(cell.run, cell.seed, None, Eye()))
        row["alone"] = {
            "cpu_seconds": [round(alone.cpu_seconds, 2) for alone in pair],
            "is_same": all(alone.weights == watched.weights for alone in pair),
        }
    return row


def what_came(cell: Cell, eye: Eye, seen: Run) -> dict[str, Any]:
    """Return the row of a run.

    ``passed`` is the first update after which max|Q| on its batch was beyond the bound B that the
    monitor had at the end (r_max/(1−γ) with the largest reward of all batches, and entropy);
    ``beyond`` that beyond 5/4 B and the first values' excess, the most that the monitor excuses,
    and ``num_beyond`` how many there were.
    """
    monitor, verdict = eye.monitor, verdict_on(seen)
    bounds = seen.series[BOUND].values if BOUND in seen.series else np.array([])
    bound = float(np.max(bounds, initial=0.0, where=np.isfinite(bounds))) or math.inf
    first = float(eye.sizes[0]) if len(eye.sizes) else 0.0
    limit = (1 + EXCUSED) * bound + BEGUN * max(0.0, first - bound)
    passed, beyond = eye.first_beyond(bound), eye.first_beyond(limit)
    finite = [size for size in eye.sizes if math.isfinite(size)]
    early = [alarm.update for alarm in monitor.alarms if alarm.kind == "divergence"]
    off = seen.series[OFF_LINE].values if OFF_LINE in seen.series else np.array([])
    return {
        **score(cell, seen),
        "num_updates": len(eye.sizes),
        "bound": rounded(bound),
        "largest_reward": rounded(eye.largest_reward),
        "largest": rounded(max(finite, default=0.0)),
        "is_finite": len(finite) == len(eye.sizes),
        "passed": passed,
        "beyond": beyond,
        "num_beyond": sum(not size <= limit for size in eye.sizes),
        "alarms": [
            {"kind": a.kind, "rule": a.rule, "update": a.update, "text": a.message}
            for a in monitor.alarms
        ],
        "alarm": min(early, default=None),
        "lead": passed - min(early) if passed is not None and early else None,
        "headline": verdict.headline,
        "overhead": rounded(monitor.overhead),
        "num_measured": monitor.num_measured,
        "linearisation_error": rounded(float(np.nanmedian(off))) if off.size else None,
        "failures": dict(seen.info.get("monitor_failures", {})),
    }


def score(cell: Cell, seen: Run) -> dict[str, Any]:
    """Return the mean return of the last episodes, and whether that is to have learnt."""
    returns = seen.series.get("charts/episodic_return")
    if returns is None:
        return {"score": None, "has_learnt": None}
    mean = float(returns.values[-NUM_EPISODES:].mean())
    has_learnt = None if cell.threshold is None else mean >= cell.threshold
    return {"score": rounded(mean), "has_learnt": has_learnt}
