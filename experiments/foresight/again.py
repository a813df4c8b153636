"""Is a run that its copies tell otherwise another, or luck? The run itself, in the copies' orders.

A run is one draw: its batches come in one order. The very same setting in the orders of its copies
says what they should have said.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from experiments.foresight.ahead import frozen_stage
from experiments.foresight.cell import Cell
from experiments.foresight.corpus import Run
from experiments.foresight.live import LiveRun
from experiments.threads import one_thread
from qdiverge.rehearsal.rehearse import rehearsals

NUM_ORDERS = 5


@dataclass(frozen=True)
class Again:
    """One setting: the update at which max|Q| passed B in each order; None: in none of it.

    Attributes:
        run: As it was labelled.
        copies: The rehearsal's, from before the first update.
        runs: The real agent's.
    """

    run: Run
    copies: tuple[int | None, ...]
    runs: tuple[int | None, ...]


def is_plain(cell: Cell) -> bool:
    """Return whether a run learns from fixed data, in an order that can be chosen."""
    return cell.stratum == "short" and not cell.prioritized and cell.n_step == 1


def told_otherwise(run: Run) -> bool:
    """Return whether most copies of a short run on fixed data say other than its label."""
    moments = run.row["moments"]
    if not is_plain(run.cell) or "0" not in moments:
        return False
    passed = moments["0"]["x1"]["passed"]
    return (2 * sum(update is not None for update in passed) > len(passed)) != run.is_divergent


@one_thread()
def again(run: Run) -> Again:
    """Rehearse a run's setting, and train it, in the same orders."""
    stage, num = frozen_stage(LiveRun(run.cell)), run.cell.num_updates
    (made,) = rehearsals([stage], num_updates=num, num_orders=NUM_ORDERS)
    runs = tuple(_trained(run, seed) for seed in range(NUM_ORDERS))
    return Again(run, made.passed, runs)


def _trained(run: Run, seed: int) -> int | None:
    """Return the update after which the real agent's values pass B, in the order of a copy."""
    live = LiveRun(run.cell)
    live.draw_by(torch.Generator().manual_seed(seed))
    for update in range(1, run.cell.num_updates + 1):
        live.update()
        if not float(live.values().abs().max()) <= live.bound:
            return update
    return None


def show_again(runs: list[Run]) -> None:
    """Print each run that its copies tell otherwise, what these say, and runs in their orders."""
    print(f"{'run':36}  {'label':>6}  copies, real runs in the same orders")
    for run in filter(told_otherwise, runs):
        found, cell = again(run), run.cell
        name = f"{cell.problem}, {cell.optimizer}, seed {cell.seed}"
        label = "sound" if run.touched is None else str(run.touched)
        print(f"{name:36}  {label:>6}  {_listed(found.copies)}   {_listed(found.runs)}")


def _listed(updates: tuple[int | None, ...]) -> str:
    return " ".join(f"{'–' if update is None else update:>4}" for update in updates)
