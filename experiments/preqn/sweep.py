"""The study's cells, for ``python -m experiments sweep preqn``."""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.learning.training import play
from experiments.preqn.agents import config_of
from experiments.tracing import episode_curve, rounded, trace

RATES = {  # α, the first of them the method's on tasks where only one is tried; η is 0.97
    "target": (1e-3, 1e-2),
    "no_target": (1e-3, 1e-2),
    "preqn": (0.1, 1.0),
    "undamped": (1.0, 0.1),
}
FULL_RATES = {name: (0.3, *rates) for name, rates in RATES.items() if "target" not in name} | {
    name: (1e-4, *rates) for name, rates in RATES.items() if "target" in name
}
FULL_TASKS = (
    "CartPole-v1",
    "Acrobot-v1",
    "MinAtar/Breakout-v1",
    "MinAtar/Asterix-v1",
    "ALE/Pong-v5",
)
NUM_SEEDS, NUM_SAMPLES, NUM_POINTS, NUM_EPISODES = 10, 150, 30, 5


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return method × step × seeds on three tasks; in full longer, and on more games."""
    tasks = FULL_TASKS if is_full else ("CartPole-v1", "Acrobot-v1", "MinAtar/Breakout-v1")
    return [
        {"environment": task, "method": method, "step": rate, "seed": seed, "long": is_full}
        for task in tasks
        for seed in range(NUM_SEEDS)
        for method, rates in (FULL_RATES if is_full else RATES).items()
        for rate in (rates if is_full or task == "CartPole-v1" else rates[:1])
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train; return scores, alignment, errors and size of Q, and what the greedy policy earns."""
    settings = config_of(config)
    followed = trace(settings, NUM_SAMPLES, finish=lambda trainer: play(trainer, NUM_EPISODES))
    aligned = np.array([sample.alignment for sample in followed.samples])
    is_moving = np.isfinite(aligned)
    last = [score for _, score in followed.episodes[-20:]]
    return {
        "last_20": rounded(float(np.mean(last))) if last else None,
        "greedy": None if followed.finish is None else rounded(float(np.mean(followed.finish))),
        "mean_alignment": rounded(float(np.nanmean(aligned))) if is_moving.any() else None,
        "share_aligned": rounded(float((aligned >= settings.preqn_alignment).mean())),
        "share_moved": rounded(float(is_moving.mean())),
        "max_abs_q": rounded(max(sample.q_abs_max for sample in followed.samples)),
        "end": followed.end,
        "updates": followed.samples[-1].update,
        "cpu_seconds": followed.cpu_seconds,
        "curve": episode_curve(followed.episodes, settings.total_steps, NUM_POINTS),
        "series": followed.columns(NUM_POINTS),
    }
