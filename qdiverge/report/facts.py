"""Single facts about a run, read off its logged numbers and settings."""

from collections.abc import Sequence

import numpy as np

from qdiverge.runs import Run, Series

SIZES = ("diverge/q_abs_max", "diverge/batch_q_abs_max")


def bounds_of(run: Run) -> Series | None:
    """Return the bound r_max/(1−γ) over the run; None where it is not known, or infinite.

    It is what was logged beside the Q-values, where r_max is the largest |reward| seen so far; else
    1/(1−γ), for rewards within ±1. Only the points at which it changes are returned, and the ends.
    At γ = 1, where there is none, it is the limit that values were held against instead.
    """
    for key in ("diverge/soft_divergence_bound", "diverge/divergence_limit"):
        logged = run.series.get(key)
        if logged is not None and np.isfinite(logged.values).any():
            finite = np.isfinite(logged.values)
            steps, values = logged.steps[finite], logged.values[finite]
            changes = np.flatnonzero(np.diff(values))
            keep = np.unique(np.concatenate([[0, len(values) - 1], changes, changes + 1]))
            return Series(steps[keep], values[keep])
    discount = discount_of(run)
    if discount is None or discount == 1:
        return None
    return Series(np.array([0]), np.array([1 / (1 - discount)]))


def crossing_of(run: Run) -> tuple[int, float] | None:
    """Return the first step with max |Q| above its limit, and the bound there; else None.

    Infinity lies above every bound. This is soft divergence, van Hasselt et al. 2018
    (arXiv:1812.02648). The limit is what was logged beside the bound: the bound, and what TD errors
    excuse; of runs that logged none it is the bound. Largest values of training batches count too.
    """
    bounds = bounds_of(run)
    sizes = [run.series[key] for key in SIZES if key in run.series]
    if not sizes or bounds is None:
        return None
    limits = run.series.get("diverge/divergence_limit", bounds)
    above = [size.steps[size.values > _at(limits, size.steps)] for size in sizes]
    steps = np.sort(np.concatenate(above))[:1]
    return (int(steps[0]), float(_at(bounds, steps)[0])) if steps.size else None


def _at(series: Series, steps: np.ndarray) -> np.ndarray:
    """Return what a series was last at each of some steps."""
    latest = np.searchsorted(series.steps, steps, side="right") - 1
    values: np.ndarray = series.values[np.maximum(latest, 0)]
    return values


def discount_of(run: Run) -> float | None:
    """Return γ from the run's settings, None where it is not among them."""
    config = run.info.get("config")
    discount = config.get("discount") if isinstance(config, dict) else None
    return float(discount) if isinstance(discount, int | float) and 0 <= discount <= 1 else None


def step_unit(run: Run) -> str:
    """Return what the run's steps count."""
    return str(run.info.get("step_unit", "updates"))


def first_non_finite(series: Series | None) -> int | None:
    """Return the first step, after a finite value, at which there was none."""
    if series is None:
        return None
    finite = np.isfinite(series.values)
    started = np.maximum.accumulate(finite) | np.isinf(series.values)
    where = np.flatnonzero(~finite & started)
    if not where.size and len(finite) and not finite.any():
        where = np.array([0])
    return int(series.steps[where[0]]) if where.size else None


def last_finite(series: Series | None) -> float | None:
    """Return the last value that is a finite number, None where there is none."""
    finite = np.array([]) if series is None else series.values[np.isfinite(series.values)]
    return float(finite[-1]) if finite.size else None


def differing(runs: Sequence[Run]) -> list[str]:
    """Return the names of settings that are not the same in all runs."""
    configs = [c if isinstance(c := run.info.get("config"), dict) else {} for run in runs]
    names = dict.fromkeys(name for config in configs for name in config)
    return [n for n in names if any(c.get(n) != configs[0].get(n) for c in configs[1:])]
