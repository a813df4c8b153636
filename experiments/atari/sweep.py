"""The study's cells, for ``python -m experiments sweep atari``."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from experiments.learning import rows
from experiments.learning.cell import Cell
from experiments.learning.training import clear, train
from experiments.tracing import rounded
from qdiverge.runs import load_run

GAMES = ("Pong", "Breakout", "Seaquest", "SpaceInvaders", "BeamRider", "Qbert")
FULL_PRESETS, SEEDS = ("nature", "dopamine", "rainbow"), range(1, 4)
TINY = {"game": "Breakout", "preset": "fast", "seed": 1, "steps": 1_600, "warm_up": 1_200}


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return games × presets × seeds, as long as the preset says; or one tiny run of Breakout."""
    if not is_full:
        return [TINY]
    grid = product(GAMES, FULL_PRESETS, SEEDS)
    return [{"game": g, "preset": p, "seed": s, "steps": None, "warm_up": None} for g, p, s in grid]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return score and mean of max_a Q over held-out states, epoch by epoch; goes on if killed."""
    cell = Cell(f"ALE/{config['game']}-v5", config["preset"], config["seed"], config["steps"])
    settings = cell.config
    if config["warm_up"] is not None:
        settings = replace(settings, learning_starts=config["warm_up"], buffer_size=config["steps"])
    clear(folder / "run")
    path = train(settings, folder / "run", cell.preset, epoch_period=None, evaluation_episodes=0)
    series = load_run(path).series
    epochs = {}
    for name in ("held_out_q", "epoch_return"):
        curve = series.get(f"charts/{name}")
        epochs[name] = {
            "step": [] if curve is None else curve.steps.tolist(),
            "value": [] if curve is None else [rounded(float(v)) for v in curve.values],
        }
    return rows.result(path, cell.preset)["row"] | epochs
