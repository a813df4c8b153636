"""What copies that ran ahead of a run did: a fan on its chart, from where they began."""

from dataclasses import dataclass

import numpy as np

from qdiverge.plain_text import plain, warn
from qdiverge.runs import Run, Series
from qdiverge.runs.event_lines import LARGEST_STEP

Fan = tuple[Series, Series, Series]  # low, median, high


@dataclass(frozen=True, eq=False)
class Remedy:
    """What copies under a change did.

    Attributes:
        name: Of the change.
        sizes: max|Q|, their median, in the run's own steps.
        limit: What it must not pass.
        held: Whether it is the one that was advised.
    """

    name: str
    sizes: Series
    limit: float
    held: bool

    def __str__(self) -> str:
        step, size = int(self.sizes.steps[-1]), float(self.sizes.values[-1])
        largest = float(self.sizes.values.max())
        outcome = "stayed" if largest < self.limit / 2 else "came near the limit"
        if largest > self.limit:
            outcome = "diverged"
        elif self.held:
            outcome = "held, and is the mildest"
        return f"{self.name}: {outcome}, {size:.3g} at step {step:,}"


def remedies_of(run: Run) -> list[Remedy]:
    """Return what each remedy would do that was rehearsed when divergence was foretold."""
    remedies = []
    for step, arrays in _saved(run):
        for k, name in enumerate(arrays.get("remedies", ())):
            steps = _steps(run, step, arrays[f"remedy_{k}_updates"])
            sizes = Series(steps, arrays[f"remedy_{k}_median"])
            limit, is_held = float(arrays["limit"]), bool(arrays["held"][k])
            remedies.append(Remedy(plain(str(name)), sizes, limit, is_held))
    return [remedy for remedy in remedies if len(remedy.sizes.steps)]


def fans_of(run: Run) -> list[Fan]:
    """Return the fans that a run keeps, ``arrays/foresight-STEP.npz``, in its own steps."""
    return [_fan(run, step, arrays) for step, arrays in _saved(run)]


def _saved(run: Run) -> list[tuple[int, dict[str, np.ndarray]]]:
    """Return what the run keeps of its foresight; what is no such thing is left out."""
    saved = run.arrays("foresight")
    looks = [(step, arrays) for step, arrays in saved if _is_foresight(arrays)]
    if len(looks) < len(saved):
        warn(f"{run.folder}/arrays: {len(saved) - len(looks)} of foresight do not fit: left out.")
    return looks


def _is_foresight(arrays: dict[str, np.ndarray]) -> bool:
    names = [("updates", "low"), ("updates", "median"), ("updates", "high")]
    num_remedies = arrays.get("remedies", np.empty(0)).size
    names += [(f"remedy_{k}_updates", f"remedy_{k}_median") for k in range(num_remedies)]
    try:
        pairs = [(arrays[updates], arrays[sizes]) for updates, sizes in names]
        if num_remedies and (arrays["limit"].size != 1 or arrays["held"].shape != (num_remedies,)):
            return False
        float(arrays.get("limit", np.zeros(())))
    except (KeyError, ValueError, TypeError):
        return False
    return all(
        updates.ndim == 1
        and updates.shape == sizes.shape
        and {updates.dtype.kind, sizes.dtype.kind} <= set("fiu")
        and bool((np.abs(updates.astype(np.float64)) <= LARGEST_STEP).all())
        for updates, sizes in pairs
    )


def _fan(run: Run, step: int, arrays: dict[str, np.ndarray]) -> Fan:
    steps = _steps(run, step, arrays["updates"])
    low, median, high = (Series(steps, arrays[name]) for name in ("low", "median", "high"))
    return low, median, high


def _steps(run: Run, step: int, updates: np.ndarray) -> np.ndarray:
    within = np.clip(steps_per_update(run) * updates, -LARGEST_STEP, LARGEST_STEP)
    steps: np.ndarray = step + np.round(within).astype(np.int64)
    return steps


def steps_per_update(run: Run) -> float:
    """Return how many of its own steps a run takes for an update, as it was measured; else 1."""
    updates = run.series.get("update")
    if updates is None or len(updates.steps) < 2 or updates.values[-1] <= updates.values[0]:
        return 1.0
    num_updates = float(updates.values[-1] - updates.values[0])
    return float(updates.steps[-1] - updates.steps[0]) / num_updates
