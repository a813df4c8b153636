"""The study's cells, for ``python -m experiments sweep preqn``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.learning.training import play
from experiments.tracing import episode_curve, rounded, trace
from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.settings.dqn import DQNConfig
from qdiverge.agents.settings.presets.discrete import PRESETS

METHODS: dict[str, dict[str, Any]] = {
    "target": {"bootstrap": "target_q"},
    "no_target": {"bootstrap": "q"},
    "preqn": {"update": "preqn", "bootstrap": "q"},
    "undamped": {  # as in the paper: K Z = Δ, aligned with the TD errors
        "update": "preqn",
        "bootstrap": "q",
        "preqn_damping": 0.0,
        "preqn_align_with": "td_errors",
    },
}
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

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=2_000,  # agent steps, so 850 updates
    num_envs=1,
    buffer_size=2_000,
    learning_starts=300,
    train_period=2,
    target_period=50,
    hidden_sizes=(64, 64),
    epsilon_end=0.05,
    exploration_steps=1_200,
    checkpoint_period=None,
)
ACROBOT = replace(
    CARTPOLE,
    environment="Acrobot-v1",
    total_steps=6_000,  # agent steps, so 2,750 updates
    buffer_size=6_000,
    learning_starts=500,
    exploration_steps=3_000,
)
BREAKOUT = replace(
    PRESETS["minatar_fast"],
    total_steps=1_200,  # agent steps, so 350 updates
    learning_starts=500,
    train_period=2,
    target_period=50,
    buffer_size=1_200,
    exploration_steps=1_000,
    width_factor=0.25,
    checkpoint_period=None,
)


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Method × step × seeds on CartPole, Acrobot, Breakout; in full longer, and more games."""
    tasks = FULL_TASKS if is_full else ("CartPole-v1", "Acrobot-v1", "MinAtar/Breakout-v1")
    return [
        _cell(task, method, rate, seed, is_full)
        for task in tasks
        for seed in range(NUM_SEEDS)
        for method, rates in (FULL_RATES if is_full else RATES).items()
        for rate in (rates if is_full or task == "CartPole-v1" else rates[:1])
    ]


def _cell(
    environment: str, method: str, rate: float, seed: int, is_long: bool = False
) -> dict[str, Any]:
    return {
        "environment": environment,
        "method": method,
        "step": rate,
        "seed": seed,
        "long": is_long,
    }


def agent(cell: dict[str, Any]) -> DQNConfig:
    """The numbers of one run."""
    kind = environment_kind(cell["environment"])
    task = ACROBOT if "Acrobot" in cell["environment"] else CARTPOLE
    short = {"task": task, "minatar": BREAKOUT, "atari": PRESETS["fast"]}
    long = {
        "task": PRESETS["cartpole"],
        "minatar": PRESETS["minatar_fast"],
        "atari": PRESETS["fast"],
    }
    base = (long if cell["long"] else short)[kind]
    is_preqn = METHODS[cell["method"]].get("update") == "preqn"
    rate = "preqn_learning_rate" if is_preqn else "learning_rate"
    given = {"environment": cell["environment"], "seed": cell["seed"], rate: cell["step"]}
    return base.adapted(kind, double=False, **given, **METHODS[cell["method"]])


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Returns, alignment, errors and size of Q along the run, and what the greedy policy earns."""
    settings = agent(config)
    found = trace(settings, NUM_SAMPLES, finish=lambda trainer: play(trainer, NUM_EPISODES))
    aligned = np.array([sample.alignment for sample in found.samples])
    last = [score for _, score in found.episodes[-20:]]
    return {
        "last_20": rounded(float(np.mean(last))) if last else None,
        "greedy": None if found.finish is None else rounded(float(np.mean(found.finish))),
        "mean_alignment": rounded(float(np.nanmean(aligned)))
        if np.isfinite(aligned).any()
        else None,
        "share_aligned": rounded(float((aligned >= settings.preqn_alignment).mean())),
        "share_moved": rounded(float(np.isfinite(aligned).mean())),
        "max_abs_q": rounded(max(sample.q_abs_max for sample in found.samples)),
        "end": found.end,
        "updates": found.samples[-1].update,
        "cpu_seconds": found.cpu_seconds,
        "curve": episode_curve(found.episodes, settings.total_steps, NUM_POINTS),
        "series": found.columns(NUM_POINTS),
    }
