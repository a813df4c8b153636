"""Offline replay of a narrow data set: the half of random play of CartPole with the least ‖s‖.

It does not cover where it leads, so that values feed themselves. The agent is ours, the loop that
of experiments/foresight; a run ends where its loss is not finite, or values are beyond 10⁶ bounds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from experiments.field.eye import Eye
from experiments.field.trained import Trained
from experiments.foresight.cell import Cell
from experiments.foresight.live import LiveRun
from qdiverge.cli.subjects import subject
from qdiverge.monitor import Monitor, attach
from qdiverge.td import Bootstrap

BEYOND = 1e6  # bounds


@dataclass(frozen=True)
class Fixed:
    """One run on fixed data.

    Attributes:
        optimizer: Its kind.
        relative_step: See experiments/foresight/steps.py.
        num_updates: At most.
        target_period: Updates between copies into the target; None: there is no target.
        width: Of both hidden layers.
    """

    optimizer: Literal["sgd", "adam"]
    relative_step: float
    num_updates: int
    target_period: int | None = None
    width: int = 64


RUNS = {
    "offline SGD": Fixed("sgd", 0.05, 2_000),
    "offline, no target": Fixed("adam", 0.005, 6_000),
    "offline, target every 250": Fixed("adam", 0.01, 20_000, target_period=250),
}


def train(name: str, seed: int, folder: Path | None, eye: Eye) -> Trained:
    """Train; without a folder unwatched."""
    run = LiveRun(cell_of(RUNS[name], seed))
    monitor = None if folder is None else _attach(run, folder)
    if monitor is not None:
        eye.follow(monitor)
        draw = run.batch
        run.batch = lambda: monitor.batch(draw())  # type: ignore[method-assign]
    began = time.process_time()
    while run.number < run.cell.num_updates and run.is_finite:
        run.update()
        if eye.sizes and not eye.sizes[-1] <= BEYOND * run.bound:
            break
    if monitor is not None:
        monitor.close("finished" if run.is_finite else "diverged")
    cpu_seconds = time.process_time() - began
    run.trainer.close()
    return Trained.of(run.networks[0], cpu_seconds)


def cell_of(fixed: Fixed, seed: int) -> Cell:
    """Return the cell of the foresight study that has these settings; it is none of its corpus."""
    bootstrap: Bootstrap = "q" if fixed.target_period is None else "target_q"
    return Cell(
        split="dev", stratum="long", problem="cartpole", seed=seed, algorithm="dqn",
        width=fixed.width, depth=2, activation="relu", layer_norm=False,
        optimizer=fixed.optimizer, relative_step=fixed.relative_step, loss="mse", batch_size=32,
        discount=0.95, bootstrap=bootstrap, target_period=fixed.target_period, polyak=None,
        n_step=1, prioritized=False, buffer_size=1_000, coverage=0.5,
        num_updates=fixed.num_updates,
    )  # fmt: skip


def _attach(run: LiveRun, folder: Path) -> Monitor:
    return attach(**subject(run.agent, run.config), optimizer=run.agent.optimizer, out=folder)
