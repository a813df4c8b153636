"""Cells of the remedies, a sweep of its own: each divergent test run anew, with the advice taken.

    python -m experiments sweep experiments.foresight.remedies

A cell repeats a run with its seed up to the moment at which it is warned of, has it diagnosed there
(``qd.diagnose``'s theory), and runs it from the start with one change at a time:

    step        half of the largest stable step by the diagnosis, at most half of the step in use;
                a tenth of that in use where no step is stable
    period      a target network, copied after the first stable period by the diagnosis; every 100
                updates where there is none
    layer_norm  LayerNorm before every activation
    preqn       PreQN in the place of optimiser and target network (DQN alone)
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.foresight.cell import Cell
from experiments.foresight.corpus import RESULTS, Run, as_run, load
from experiments.foresight.critic import train_critic
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.recorder import StoppedError
from experiments.foresight.rules import replay
from experiments.foresight.sweep import run as run_cell
from experiments.foresight.training import train
from qdiverge.diagnostics.update_stability import all_successors
from qdiverge.errors import RunFolderError
from qdiverge.theory import check_stability

MOST = 8, 60  # divergent runs: reduced, full
FALLBACK_PERIOD = 100  # updates
NUM_ENDS = 5  # measurements at either end of a run that are compared


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the divergent runs of the test split that lived to be warned of, by their keys."""
    chosen = [run for run in load("test", RESULTS)[1] if run.outcome.is_divergent]
    chosen = [run for run in chosen if run.dear_updates[0] < (run.outcome.blow_up or 0)]
    return [{"cell": asdict(run.cell), "warned": warning(run)} for run in chosen[: MOST[is_full]]]


def warning(run: Run) -> int:
    """Return when the monitor first alarms before the blow-up; else the last dear moment."""
    blow_up = run.outcome.blow_up
    assert blow_up is not None
    early = [update for update in replay(run).values() if update < blow_up]
    times = run.dear_updates
    return max(min(early), int(times[0])) if early else int(times[times < blow_up][-1])


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Diagnose a run where it is warned of, and run it anew with each remedy."""
    cell, warned = Cell(**config["cell"]), config["warned"]
    diagnosis = diagnose(cell, warned)
    results: dict[str, Any] = {"diagnosis": diagnosis}
    for name, changed in remedies(cell, diagnosis).items():
        line = {"key": name, "config": asdict(changed), "row": run_cell(asdict(changed), folder)}
        results[name] = verdict(as_run(line))
        results[name] |= {
            field: getattr(changed, field)
            for field in ("relative_step", "target_period")
            if getattr(changed, field) != getattr(cell, field)
        }
    return results


def remedies(cell: Cell, diagnosis: dict[str, Any]) -> dict[str, Cell]:
    """Return the cell with one change at a time, with values from the diagnosis."""
    largest, period = diagnosis["max_learning_rate"], diagnosis["first_stable_period"]
    α = diagnosis["learning_rate"]
    smaller = min(largest / 2, α / 2) if largest > 0 else α / 10
    changed = {
        "step": replace(cell, relative_step=float(f"{cell.relative_step * smaller / α:.3g}")),
        "period": replace(
            cell, bootstrap="target_q", polyak=None,
            target_period=period if period and period > 1 else FALLBACK_PERIOD,
        ),
    }  # fmt: skip
    if cell.width and not cell.layer_norm:
        changed["layer_norm"] = replace(cell, layer_norm=True)
    if PROBLEMS[cell.problem].family != "mujoco":
        changed["preqn"] = replace(cell, update="preqn", target_period=None, polyak=None)
    return changed


def verdict(run: Run) -> dict[str, Any]:
    """Return what became of a run; it learns if it is sound and mean |δ| ends below its start."""
    errors = run.light["td_error_abs_mean"]
    ratio = float(np.nanmedian(errors[-NUM_ENDS:]) / np.nanmedian(errors[:NUM_ENDS]))
    is_sound = run.outcome.name == "healthy"
    return {
        "outcome": run.outcome.name,
        "blow_up": run.outcome.blow_up,
        "td_errors": round(ratio, 4) if np.isfinite(ratio) else None,
        "learns": bool(is_sound and ratio < 1),
    }


def diagnose(cell: Cell, update: int) -> dict[str, Any]:
    """Repeat a run up to an update and return what the stability theory advises there."""
    is_critic = PROBLEMS[cell.problem].family == "mujoco"
    try:
        (train_critic if is_critic else train)(cell, update)
    except StoppedError as stopped:
        moment = stopped.moment
    else:
        raise RunFolderError(
            "the run must repeat itself",
            got=f"one that ended before update {update}",
            remedy="Make the corpus anew on this machine.",
        )
    report = check_stability(
        moment.kernel,
        all_successors(moment),
        greedy_actions=None if moment.is_critic else moment.next_actions,
        learning_rate=moment.learning_rate,
        target_period=cell.target_period or 1,
        polyak=cell.polyak,
    )
    return {
        "update": moment.update,
        "learning_rate": moment.learning_rate,
        "verdict": report.verdict,
        "spectral_radius": round(report.spectral_radius, 6),
        "max_learning_rate": float(f"{report.max_learning_rate:.4g}"),
        "first_stable_period": report.target_network.first_stable_period,
        "advice": report.target_network.advice,
    }
