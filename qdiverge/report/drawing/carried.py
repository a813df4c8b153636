"""The numbers of a drawing, carried by its elements, so that a script can read them back."""

import base64
from itertools import groupby

import numpy as np

from qdiverge.runs import Series


def carried(name: str, series: Series) -> dict[str, str]:
    """Return the attributes of a path that stands for ``series``: its name, steps and values.

    Values are whole, float64 in base64; steps are differences, of which equal ones are counted.

    Args:
        name: What the numbers are; "": nothing is carried.
        series: T points, of any values.

    >>> carried("Q", Series(np.array([5, 15, 25, 26]), np.array([1.0, 2.0, np.nan, 4.0])))
    {'data_name': 'Q', 'data_steps': '5 10x2 1', 'data_values': 'AAAA...'}
    """
    if not name or not len(series.steps):
        return {}
    return {
        "data_name": name,
        "data_steps": _differences(series.steps),
        "data_values": base64.b64encode(series.values.astype("<f8").tobytes()).decode("ascii"),
    }


def _differences(steps: np.ndarray) -> str:
    """Write s₁, s₂ − s₁, …; d n times in a row is written d×n, with the letter."""
    runs = [(d, len(list(same))) for d, same in groupby(np.diff(steps, prepend=0).tolist())]
    return " ".join(f"{d}x{count}" if count > 1 else f"{d}" for d, count in runs)
