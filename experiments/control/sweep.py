"""The study's cells, for ``python -m experiments sweep control``."""

from __future__ import annotations

import time
from itertools import product
from pathlib import Path
from typing import Any

from experiments.control import ours, peers
from experiments.control.settings import METHODS, PEERS, config_of

EPISODES = 10  # without noise, at the end of a run
SEEDS, FULL_SEEDS = (1, 2, 3), tuple(range(1, 11))
REDUCED = {"Pendulum-v1": 3_000, "InvertedPendulum-v5": 3_000}  # agent steps
FULL = {
    "Pendulum-v1": 20_000,
    "InvertedPendulum-v5": 50_000,
    "Hopper-v5": 1_000_000,
    "HalfCheetah-v5": 1_000_000,
    "Swimmer-v5": 1_000_000,
    "Ant-v5": 1_000_000,
}


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Task × method × seed; Stable-Baselines3 on Pendulum alone."""
    tasks, seeds = (FULL, FULL_SEEDS) if is_full else (REDUCED, SEEDS)
    return [
        {"environment": task, "method": method, "seed": seed, "steps": steps}
        for seed, (task, steps), method in product(seeds, tasks.items(), (*METHODS, *PEERS))
        if method in METHODS or task == "Pendulum-v1"
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns and alignments of one run."""
    settings = config_of(**config)
    train = peers.train if config["method"] in PEERS else ours.train
    began = time.process_time()
    row = train(settings, EPISODES)
    used = round(time.process_time() - began, 1)
    return row | {"length": settings.total_steps, "cpu_seconds": used}
