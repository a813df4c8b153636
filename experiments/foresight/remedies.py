"""What each remedy does to a run that diverges: rehearsed, then the run anew.

The rehearsals start where the run starts. The run is then made from the start with the mildest
change whose copies all stay below B/2, and with two that are given to anybody: a quarter of the
step; a target copied every 100 updates, of critics averaged with τ = 0.005.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.foresight.ahead import LOOKS, as_numbers, frozen_stage
from experiments.foresight.cell import Cell
from experiments.foresight.live import LiveRun
from experiments.foresight.observe import as_row, follow
from qdiverge.rehearsal.changes import LONG_PERIOD, SLOW_AVERAGE, Change
from qdiverge.rehearsal.what_if import AS_IT_IS, options_of

OF_OUTCOME = ("touched", "stays", "unbounded", "largest", "td_errors", "moved")


def remedies(cell: Cell) -> dict[str, Any]:
    """Return what the copies do under each change, and the run under three."""
    run, look = LiveRun(cell), LOOKS[cell.stratum][0][0]
    stage = frozen_stage(run, is_to_change=True)
    options = options_of(
        stage, None, min(look.horizon, cell.num_updates), 1 if cell.is_critic else look.orders,
        look.speed,
    )  # fmt: skip
    rate = stage.original.rule.learning_rate
    slower = {"polyak": SLOW_AVERAGE} if cell.is_critic else {"target_period": LONG_PERIOD}
    tried: dict[str, Change] = {
        "step / 4": {"learning_rate": rate / 4},
        "slow target": {"bootstrap": "target_q", **slower},
    }
    if options.best is not None and options.best.change != AS_IT_IS:
        tried["advice"] = options.best.setting
    return {
        "rehearsed": {o.change: as_numbers(o.rehearsal, run.bound) for o in options},
        "advice": None if options.best is None else options.best.change,
        "applied": {name: applied(cell, change, rate) for name, change in tried.items()},
    }


def applied(cell: Cell, change: Change, rate: float) -> dict[str, Any]:
    """Return what becomes of the run from its start under a change."""
    row = as_row(follow(LiveRun(changed(cell, change, rate))))
    return {name: row[name] for name in OF_OUTCOME}


def changed(cell: Cell, change: Change, rate: float) -> Cell:
    """Return the cell with a change of its rule.

    Args:
        cell: The run's.
        change: Field of the rule → value.
        rate: The learning rate of the run as it is.
    """
    fields = dict(change)
    if "learning_rate" in fields:
        fields["relative_step"] = cell.relative_step * fields.pop("learning_rate") / rate
    if "target_period" in fields:
        fields["polyak"] = None
    if "polyak" in fields and fields["polyak"] is not None:
        fields["target_period"] = None
    return replace(cell, **fields)
