"""The study's cells, for ``python -m experiments sweep layer_norm``."""

from itertools import product
from pathlib import Path
from typing import Any

from experiments.layer_norm.data import TASKS
from experiments.layer_norm.training import train

NUM_LOOKS = 20


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return task × LayerNorm × seeds; in full longer, with two more steps and ten seeds."""
    steps, num_updates, seeds = ((1e-3, 3e-3, 1e-2), 20_000, 10) if is_full else ((3e-3,), 1_000, 3)
    return [
        {
            "task": task,
            "layer_norm": layer_norm,
            "learning_rate": step,
            "num_updates": num_updates,
            "seed": seed,
        }
        for task, layer_norm, step, seed in product(TASKS, (False, True), steps, range(seeds))
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return self-excitation and max |Q| along training, and whether that passed the bound."""
    return train(**config, num_looks=NUM_LOOKS)
