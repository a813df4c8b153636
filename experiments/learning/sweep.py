"""The study's cells, for ``python -m experiments sweep learning``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.learning import rows
from experiments.learning.cell import Cell
from experiments.learning.training import clear, train
from qdiverge.agents.environments.minatar import GAMES

SEEDS = (1, 2, 3)
RESULTS_COMMAND = "python -m experiments learning add runs/sweeps/learning/cells/*/run"


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the settings of every run: ten seeds of six tasks, or what is committed."""
    return [asdict(cell) for cell in (full() if is_full else reduced())]


def reduced() -> list[Cell]:
    """Return the runs whose results are committed."""
    return [
        *(Cell("CartPole-v1", "cartpole", seed) for seed in SEEDS),
        *(Cell("MinAtar/Breakout-v1", "minatar_fast", seed, 60_000) for seed in SEEDS),
    ]


def full() -> list[Cell]:
    """Return ten seeds of CartPole and each MinAtar game: hours, so with checkpoints."""
    games = [(f"MinAtar/{game}-v1", "minatar_fast") for game in GAMES]
    tasks = [("CartPole-v1", "cartpole"), *games]
    return [Cell(*task, seed, checkpoint_period=20_000) for task in tasks for seed in range(1, 11)]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return row and curve of one run; one that was killed goes on from its last checkpoint."""
    cell = Cell(**config)
    clear(folder / "run")
    result = rows.result(train(cell.config, folder / "run", cell.preset))
    return result["row"] | {"curve": result["curve"]}
