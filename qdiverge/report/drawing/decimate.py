"""Fewer points, the same picture: every peak and every gap of a series survives."""

from itertools import pairwise

import numpy as np

from qdiverge.runs import Series

MOST_POINTS = 500


def decimate(series: Series, most: int = MOST_POINTS) -> Series:
    """Return at most ``most`` points: ends, and of each bin the least, the largest, a non-finite.

    Args:
        series: T points, of which any may be NaN or infinite.
        most: The most points to keep, at least 8.

    >>> spike = np.zeros(10_000); spike[4321] = 7.0
    >>> kept = decimate(Series(np.arange(10_000), spike), most=50)
    >>> len(kept.steps) <= 50, kept.values.max().item()
    (True, 7.0)
    """
    size = len(series.values)
    if size <= most:
        return series
    finite = np.isfinite(series.values)
    bins = (most - 2) // (2 if finite.all() else 3)
    edges = np.linspace(0, size, bins + 1).astype(int)
    keep = {0, size - 1}
    for start, stop in pairwise(edges.tolist()):
        inside = np.arange(start, stop)
        numbers, others = inside[finite[start:stop]], inside[~finite[start:stop]]
        if numbers.size:
            keep.add(int(numbers[series.values[numbers].argmin()]))
            keep.add(int(numbers[series.values[numbers].argmax()]))
        if others.size:
            keep.add(int(others[0]))
    index = np.array(sorted(keep))
    return Series(series.steps[index], series.values[index])


def trailing_mean(series: Series, window: int) -> Series:
    """Return y_t = mean(x_{t−w+1}, …, x_t), of fewer points where fewer came before.

    >>> trailing_mean(Series(np.arange(4), np.array([1.0, 3.0, 5.0, 9.0])), 2).values.tolist()
    [1.0, 2.0, 4.0, 7.0]
    """
    total = np.concatenate([[0.0], np.cumsum(series.values)])
    end = np.arange(1, len(series.values) + 1)
    start = np.maximum(end - window, 0)
    return Series(series.steps, (total[end] - total[start]) / (end - start))
