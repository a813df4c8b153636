"""A series as one row of blocks."""

import math
from collections.abc import Sequence
from itertools import pairwise

BLOCKS = "▁▂▃▄▅▆▇█"
GONE = "×"  # a value that is no finite number


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Return the last values as a row of blocks between their least and their largest.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    """
    recent = [value for value in values[-width:] if abs(value) < float("inf")]
    if not recent:
        return ""
    return _blocks(recent)


def profile(values: Sequence[float], width: int, *, is_log: bool = False) -> str:
    """Return a whole series in at most ``width`` blocks, each the mean of its share.

    A share that holds a NaN or an infinity is a cross.

    Args:
        values: The series, oldest first.
        width: The most blocks.
        is_log: Whether heights are logarithms; what is not above zero then counts as the least.

    >>> profile([1, 1, 10, 10, 100, 100, 9, float("nan")], 4, is_log=True)
    '▁▅█×'
    """
    if is_log:
        floor = min((v for v in values if 0 < v < math.inf), default=1.0)
        values = [math.log10(max(v, floor)) if math.isfinite(v) else v for v in values]
    count = len(values)
    edges = [k * count // min(width, count) for k in range(min(width, count) + 1)] if count else []
    shares = [values[start:stop] for start, stop in pairwise(edges)]
    means = [math.fsum(s) / len(s) if all(map(math.isfinite, s)) else math.nan for s in shares]
    finite = iter(_blocks([mean for mean in means if math.isfinite(mean)]))
    return "".join(next(finite) if math.isfinite(mean) else GONE for mean in means)


def _blocks(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, span = min(values), max(values) - min(values) or 1.0
    return "".join(BLOCKS[min(7, int(8 * (value - low) / span))] for value in values)
