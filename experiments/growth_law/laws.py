"""Which law a growing |Q| follows, and when it said that the end would come."""

from typing import Any

import numpy as np
import torch

from experiments.tracing import rounded
from qdiverge.theory import forecast_blow_up

GROWN = 20.0  # times the first |Q|: from there on the exponent is measured
SMOOTH = 0.1  # the largest relative growth of an update that still counts as continuous
NUM_BINS = 12  # of ln |Q|, each of one weight
WINDOW = 8.0  # a forecast looks back to where |Q| was this many times smaller
NUM_POINTS = 50  # of a window
ADAM_THRESHOLD = 1e3  # of mean |Q|: under Adam there is no finite crash


def growth_exponent(q: np.ndarray) -> float:
    """Return e of dQ/dt ∝ Q^e, the slope of ln ΔQ over ln Q in bins of ln Q; NaN in under 3 bins.

    SGD on L homogeneous layers: e = 1 + p with p = (2L − 2)/L. Adam, Q ~ t^L: e = 1 − 1/L.

    >>> t = np.arange(4000.0)
    >>> round(growth_exponent((1 + 0.01 * t) ** 3), 2)  # L = 3 under Adam: 1 − 1/3
    0.67
    """
    now, change = q[:-1], np.diff(q)
    used = (now > GROWN * q[0]) & (change > 0) & (change < SMOOTH * now)
    x, y = np.log(now[used]), np.log(change[used])
    if len(x) < 3:
        return float("nan")
    edges = np.linspace(x.min(), x.max() + 1e-9, NUM_BINS + 1)
    where = np.digitize(x, edges)
    filled = np.unique(where)
    if len(filled) < 3:
        return float("nan")
    means = np.array([(x[where == b].mean(), y[where == b].mean()) for b in filled])
    return float(np.polyfit(means[:, 0], means[:, 1], 1)[0])


def expected_exponent(depth: int, optimizer: str) -> float:
    """Return e by Yue et al. 2023.

    >>> expected_exponent(2, "sgd"), expected_exponent(2, "adam")
    (2.0, 0.5)
    """
    return 1 + (2 * depth - 2) / depth if optimizer == "sgd" else 1 - 1 / depth


def end_of(q: np.ndarray, optimizer: str, end: float) -> int | None:
    """Return when it crashed (SGD) or passed the threshold (Adam), an update; None: neither."""
    beyond = np.flatnonzero(~(q < (end if optimizer == "sgd" else ADAM_THRESHOLD)))
    return int(beyond[0]) if len(beyond) else None


def forecasts(q: np.ndarray, depth: int, optimizer: str, end: int, count: int) -> dict[str, Any]:
    """Return the forecasts at ``count`` evenly spaced moments before ``end``, as columns."""
    law, threshold = ("finite_time", np.inf) if optimizer == "sgd" else ("power", ADAM_THRESHOLD)
    columns: dict[str, list[float | None]] = {"at": [], "time": [], "lower": [], "upper": []}
    for now in np.linspace(0, end, count + 2)[1:-1].astype(int):
        low = np.flatnonzero(q[: now + 1] < q[now] / WINDOW)
        first = int(low[-1]) + 1 if len(low) else 0
        t = np.unique(np.linspace(first, now, NUM_POINTS).astype(int))
        if len(t) < 3 or q[now] >= threshold:
            continue
        forecast = forecast_blow_up(
            torch.from_numpy(t.astype(float)), torch.from_numpy(q[t]), law, depth, threshold
        )
        numbers = (float(now), forecast.time, forecast.lower, forecast.upper)
        for name, value in zip(columns, numbers, strict=True):
            columns[name].append(rounded(value) if np.isfinite(value) else None)
    return columns
