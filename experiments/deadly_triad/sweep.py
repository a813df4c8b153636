"""The study's cells, for ``python -m experiments sweep deadly_triad``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from experiments.deadly_triad.settings import (
    ATARI,
    GAMES,
    RATES,
    agent,
    factorial,
    one_at_a_time,
)
from experiments.tracing import rounded, trace

NUM_SAMPLES, NUM_POINTS = 30, 15
BEYOND = 1e4  # max |Q| at which a run is stopped: it will not come back


def cells(is_full: bool) -> list[dict[str, Any]]:
    """One factor at a time on two MinAtar games; in full every combination on four Atari games."""
    runs: list[dict[str, Any]]
    if is_full:
        runs = [
            {"environment": game, "learning_rate": None, "seed": seed}
            for game in ATARI
            for seed in range(3)
        ]
    else:
        runs = [
            {"environment": f"MinAtar/{game}-v1", "learning_rate": rate, "seed": seed}
            for game in GAMES
            for rate in RATES
            for seed in range(3)
        ]
    return [
        setting | one for setting in (factorial() if is_full else one_at_a_time()) for one in runs
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """How large |Q| became, against the bound, and when it passed it."""
    settings = agent(config)
    bound = 1 / (1 - settings.discount)
    found = trace(settings, NUM_SAMPLES, stop=lambda sample: not sample.q_abs_max < BEYOND)
    sizes = [sample.q_abs_max for sample in found.samples]
    passed = [s.update for s in found.samples if not s.q_abs_max <= bound]
    is_divergent = bool(passed) or found.end == "divergence"
    scores = [score for _, score in found.episodes]
    curve = found.columns(NUM_POINTS)
    return {
        "soft_divergent": is_divergent,
        "passed_at": passed[0] if passed else None,  # update
        "max_abs_q": rounded(max(sizes)) if sizes else None,
        "bound": rounded(bound),
        "end": found.end,
        "mean_score": rounded(sum(scores) / len(scores)) if scores else None,
        "step": curve["step"],
        "q_abs_max": curve["q_abs_max"],
        "cpu_seconds": found.cpu_seconds,
    }
