"""The study's cells, for ``python -m experiments sweep foresight``."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.foresight.ahead import GROWN, LARGE, LOOKS, halfway, moment, passing
from experiments.foresight.cell import Cell
from experiments.foresight.draw import draw
from experiments.foresight.live import LiveRun
from experiments.foresight.observe import Course, as_row, follow
from experiments.foresight.remedies import remedies
from experiments.threads import one_thread

RESULTS_COMMAND = "python -m experiments foresight pack"


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the settings of every cell, drawn by seed."""
    return [asdict(cell) for cell in draw(is_full)]


@one_thread()
def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train one cell, running ahead at its moments; all of it as numbers."""
    began = time.process_time()
    cell = Cell(**config)
    live, moments, looks = LiveRun(cell), dict[str, Any](), LOOKS[cell.stratum]
    again: set[int] = set()  # updates halfway to where copies left LIMIT B
    size = [math.inf]  # max|Q| at the last look for growth

    def look_ahead(update: int, course: Course) -> None:
        now, is_replay = course.sizes[-1], cell.stratum == "replay"
        has_grown = is_replay and now > max(LARGE, GROWN * size[0])
        if update == 0 or has_grown:
            size[0] = now
        if course.touched is not None or not (update in looks or update in again or has_grown):
            return
        said = moments[str(update)] = moment(live, looks.get(update, looks[0]))
        said |= {"grown": True} if has_grown else {}
        when = passing(said["x1"], "left") if is_replay else None
        if when is not None and (update in looks or has_grown):
            again.add(halfway(update, when))

    course = follow(live, look_ahead)
    row = as_row(course) | {
        "learning_rate": live.agent.optimizer.param_groups[0]["lr"],
        "moments": moments,
        "seconds": round(time.process_time() - began, 2),
    }
    if has_remedies(cell, course):
        row["remedies"] = remedies(cell)
    return row


def has_remedies(cell: Cell, course: Course) -> bool:
    """Return whether the run began within B, diverged, and is one of every two that are remedied.

    A coin by the cell's seed decides the last: remedies cost more than all else.
    """
    return bool(course.touched) and cell.seed % 2 == 0 and cell.stratum not in ("image", "replay")
