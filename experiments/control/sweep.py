"""The study's cells, for ``python -m experiments sweep control``."""

import time
from pathlib import Path
from typing import Any

from experiments.control import ours, peers
from experiments.control.agents import METHODS, PEERS, config_of

EPISODES = 10  # without noise, at the end of a run
REDUCED = {  # agent steps, seeds
    "Pendulum-v1": (6_000, 5),
    "InvertedPendulum-v5": (10_000, 3),
    "Hopper-v5": (10_000, 2),
    "HalfCheetah-v5": (10_000, 2),
    "Swimmer-v5": (10_000, 2),
    "Ant-v5": (10_000, 2),
}
FULL = {
    "Pendulum-v1": (20_000, 10),
    "InvertedPendulum-v5": (50_000, 10),
    "Hopper-v5": (1_000_000, 10),
    "HalfCheetah-v5": (1_000_000, 10),
    "Swimmer-v5": (1_000_000, 10),
    "Ant-v5": (1_000_000, 10),
}


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return task × seed × method; Stable-Baselines3 on the two pendulums alone."""
    return [
        {"environment": task, "method": method, "seed": seed, "steps": steps}
        for task, (steps, num_seeds) in (FULL if is_full else REDUCED).items()
        for seed in reversed(range(1, num_seeds + 1))
        for method in (*METHODS, *PEERS)
        if method in METHODS or "Pendulum" in task
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what one run earned, and how aligned its updates were."""
    settings = config_of(**config)
    train = peers.train if config["method"] in PEERS else ours.train
    began = time.process_time()
    row = train(settings, EPISODES)
    used = round(time.process_time() - began, 1)
    return row | {"length": settings.total_steps, "cpu_seconds": used}
