"""The Q tracker: how large the values are, how spread, and how fast they grow."""

import math
from collections import deque
from typing import Any, ClassVar

import numpy as np
import torch

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_numbers


def growth_rate(updates: np.ndarray, magnitudes: np.ndarray) -> float:
    """Return the slope of log max|Q| against updates, by least squares: e-folds per update.

    Args:
        updates: When it was measured, [T], increasing.
        magnitudes: max|Q|, [T]; values that are zero or not finite are left out.

    Returns:
        The rate per update; NaN where the usable points are not of two updates or more.

    >>> round(growth_rate(np.array([0, 10, 20]), np.array([1.0, 2.0, 4.0])), 6)  # ln 2 / 10
    0.069315
    """
    updates, magnitudes = (
        check_numbers(name, given)
        for name, given in (("updates", updates), ("magnitudes", magnitudes))
    )
    if updates.ndim != 1 or updates.shape != magnitudes.shape:
        raise InvalidValueError(
            "updates and magnitudes must be [T]",
            got=f"{list(updates.shape)} and {list(magnitudes.shape)}",
        )
    usable = np.isfinite(updates) & np.isfinite(magnitudes) & (magnitudes > 0)
    t, y = updates[usable].astype(np.float64), np.log(magnitudes[usable])
    if t.size < 2 or t[0] == t[-1]:
        return math.nan
    t = t - t.mean()
    return float(t @ (y - y.mean()) / (t @ t))


class QValues(Diagnostic):
    """Max, mean, min and quantiles of Q over the batch, allowed actions, and the growth rate.

    Args:
        window: Over how many measurements the growth rate is fitted.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/q_mean",
            "mean of Q over the probe batch and all actions",
            "Q",
            "within the bound, close to the median",
        ),
        Metric(
            "diverge/q_max",
            "max of Q over the probe batch and all actions",
            "Q",
            "within the bound",
        ),
        Metric(
            "diverge/q_min",
            "min of Q over the probe batch and all actions",
            "Q",
            "within the bound",
        ),
        Metric("diverge/q_abs_max", "max |Q| over the probe batch", "Q", "below the bound"),
        Metric(
            "diverge/batch_q_abs_max",
            "max |Q| over the newest training batch",
            "Q",
            "below the bound, and near that of the probe batch",
        ),
        Metric("diverge/q_p05", "5 % quantile of Q", "Q", "within the bound"),
        Metric("diverge/q_p50", "median of Q", "Q", "within the bound"),
        Metric("diverge/q_p95", "95 % quantile of Q", "Q", "within the bound"),
        Metric(
            "diverge/soft_divergence_bound",
            "r_{max} / (1−γ), r_{max} the largest |r| so far; of a soft critic and γη |log π|",
            "Q",
            "the bound itself: no policy can earn more",
        ),
        Metric(
            "diverge/divergence_limit",
            "the bound, and what TD errors excuse: min(max |δ| / (1−γ), a quarter of it); twice"
            " what the first values were beyond it",
            "Q",
            "the limit itself: values beyond it count as divergent",
        ),
        Metric(
            "diverge/q_growth_rate",
            "d log max |Q| / d update",
            "1 per update",
            "around 0 once values have settled",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"q_all"})
    cost: ClassVar[Cost] = "light"

    def __init__(self, window: int = 10) -> None:
        self._history: deque[tuple[int, float]] = deque(maxlen=window)

    def state(self) -> list[Any]:
        """Return the window of the growth rate."""
        return list(self._history)

    def restore(self, state: list[Any]) -> None:
        """Go on with that window."""
        self._history.extend((update, magnitude) for update, magnitude in state)

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/q_…``, ``diverge/soft_divergence_bound`` and ``…/divergence_limit``."""
        values = moment.q_allowed.double().cpu()
        q, shares = values.numpy(), torch.tensor([0.05, 0.5, 0.95], dtype=values.dtype)
        quantiles = torch.quantile(values.flatten(), shares)  # NumPy's imports its masked arrays
        p05, p50, p95 = (float(f"{x:.9g}") for x in quantiles.tolist())
        with np.errstate(invalid="ignore"):
            metrics = {
                "q_mean": float(f"{q.mean():.9g}"),  # more digits than float32 has say nothing
                "q_max": q.max(),
                "q_min": q.min(),
                "q_abs_max": np.abs(q).max(),
                "q_p05": p05,
                "q_p50": p50,
                "q_p95": p95,
                "soft_divergence_bound": moment.bound,
                "divergence_limit": moment.limit,
            }
        if moment.newest is not None:
            metrics["batch_q_abs_max"] = moment.newest_size
        self._history.append((moment.update, float(metrics["q_abs_max"])))
        updates, magnitudes = np.array(self._history, dtype=np.float64).T
        metrics["q_growth_rate"] = growth_rate(updates, magnitudes)
        return {f"diverge/{name}": float(value) for name, value in metrics.items()}
