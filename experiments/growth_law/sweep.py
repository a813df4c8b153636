"""The study's cells, for ``python -m experiments sweep growth_law``."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from experiments.growth_law.blow_up import END, mean_abs_q
from experiments.growth_law.laws import end_of, expected_exponent, forecasts, growth_exponent
from experiments.tracing import rounded

STEPS = {"sgd": 5e-3, "adam": 1e-3}  # α
NUM_UPDATES = {"sgd": 12_000, "adam": 2_000}  # at most
NUM_FORECASTS, NUM_POINTS = 20, 60


def cells(is_full: bool) -> list[dict[str, Any]]:
    """Return depth × optimiser × seeds; the full grid has more depths, widths and seeds."""
    depths, widths, seeds = [2, 3, 4], [64], range(3)
    if is_full:
        depths, widths, seeds = [2, 3, 4, 5], [64, 256], range(10)
    return [
        {"depth": L, "optimizer": o, "learning_rate": STEPS[o], "width": w, "seed": seed}
        for L, o, w, seed in product(depths, STEPS, widths, seeds)
    ]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the exponent, the end, every forecast of it, and the growth itself."""
    depth, optimizer = config["depth"], config["optimizer"]
    q = mean_abs_q(**{"num_updates": NUM_UPDATES[optimizer]} | config)
    end = end_of(q, optimizer, END)
    shown = np.unique(np.linspace(0, len(q) - 1, NUM_POINTS).astype(int))
    made = {} if end is None else forecasts(q, depth, optimizer, end, NUM_FORECASTS)
    return {
        "exponent": rounded(growth_exponent(q)),
        "expected_exponent": expected_exponent(depth, optimizer),
        "end": end,
        "forecasts": made,
        "updates": shown.tolist(),
        "mean_abs_q": [rounded(value) for value in q[shown]],
    }
