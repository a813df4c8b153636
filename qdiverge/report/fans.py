"""What copies that ran ahead of a run did: a fan on its chart, from where they began."""

import numpy as np

from qdiverge.runs import Run, Series

Fan = tuple[Series, Series, Series]  # low, median, high


def fans_of(run: Run) -> list[Fan]:
    """Return the fans that a run keeps, ``arrays/foresight-STEP.npz``, in its own steps."""
    return [_fan(run, step, arrays) for step, arrays in run.arrays("foresight")]


def _fan(run: Run, step: int, arrays: dict[str, np.ndarray]) -> Fan:
    steps = step + np.round(steps_per_update(run) * arrays["updates"]).astype(np.int64)
    low, median, high = (Series(steps, arrays[name]) for name in ("low", "median", "high"))
    return low, median, high


def steps_per_update(run: Run) -> float:
    """Return how many of its own steps a run takes for an update, as it was measured; else 1."""
    updates = run.series.get("update")
    if updates is None or len(updates.steps) < 2 or updates.values[-1] <= updates.values[0]:
        return 1.0
    made = float(updates.values[-1] - updates.values[0])
    return float(updates.steps[-1] - updates.steps[0]) / made
