"""The study's cells, for ``python -m experiments sweep foresight``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.foresight.cell import Cell
from experiments.foresight.critic import train_critic
from experiments.foresight.draw import draw
from experiments.foresight.problems import PROBLEMS
from experiments.foresight.recorder import EVERY, FULL_EVERY, SeriesRecorder
from experiments.foresight.training import train

LIGHT = (
    "q_abs_max", "q_mean", "td_error_abs_mean", "td_error_abs_max", "target_lag", "value_churn",
    "greedy_churn",
)  # fmt: skip
DEAR = (
    "fraction_holding", "modulus", "modulus_regression", "mean_row_ratio", "kernel_diagonal_mean",
    "spectral_radius", "spectral_radius_regression", "self_excitation", "transient_gain",
    "transition_excitation_max", "self_exciting", "gradient_cosine", "gradient_conflicts",
    "linearisation_error", "srank", "effective_rank", "dormant_units", "dead_units",
    "coadaptation", "coadaptation_cosine", "effective_step", "td_definiteness",
    "distribution_shift", "certified_modulus", "rate", "plain_rate", "plain_spectral_rate",
    "plain_excitation", "weight_norm",
)  # fmt: skip
LESS_ONE = {"modulus", "modulus_regression", "spectral_radius", "spectral_radius_regression",
            "certified_modulus"}  # fmt: skip  # kept as x − 1, which rounding would hide
RESULTS_COMMAND = "python -m experiments foresight corpus"
LARGEST = 1e30  # what is larger, or infinite, is kept as this


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return the settings of every cell, drawn by seed."""
    return [asdict(cell) for cell in draw(is_full)]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train one cell; its series, thinned and rounded to four digits."""
    cell = Cell(**config)
    if PROBLEMS[cell.problem].family == "mujoco":
        recorder, seconds = train_critic(cell)
    else:
        trained = train(cell)
        recorder, seconds = trained.recorder, trained.seconds
    return row(cell, recorder, seconds)


def row(cell: Cell, recorder: SeriesRecorder, seconds: float) -> dict[str, Any]:
    """Return what the table keeps of a run."""
    return {
        "num_updates": recorder.num_updates,
        "learning_rate": recorder.subject.learning_rate,
        "is_cut": recorder.num_updates < cell.num_updates,
        "cpu_seconds": round(seconds, 2),
        "measuring_share": round(recorder.seconds / seconds, 3),
        "light": _columns(recorder, LIGHT, EVERY),
        "dear": _columns(recorder, DEAR, FULL_EVERY),
    }


def _columns(recorder: SeriesRecorder, names: tuple[str, ...], period: int) -> dict[str, list[Any]]:
    """Return each metric at every ``period``-th update, None where it was not measured."""
    length = recorder.num_updates // period
    columns = {}
    for name in names:
        values: list[Any] = [None] * length
        for update, value in zip(*recorder.series.get(name, ([], [])), strict=True):
            if update % period == 0:
                values[update // period - 1] = _rounded(value - (name in LESS_ONE))
        columns[name] = values
    return columns


def _rounded(value: float) -> float | None:
    if math.isnan(value):
        return None
    return float(f"{min(max(value, -LARGEST), LARGEST):.4g}")
