"""Copy of a replay what is in use: most of a young one has never been written."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def copied_up_to(array: NDArray[Any], used: int, axis: int = 0) -> NDArray[Any]:
    """Return a copy of the first entries along an axis; the others are 0, and take no memory yet.

    Args:
        array: Zeros, but for its first entries along the axis.
        used: How many these are.
        axis: Along which it is filled.

    >>> copied_up_to(np.array([[1, 2, 0], [3, 4, 0]]), 2, axis=1)
    array([[1, 2, 0],
           [3, 4, 0]])
    """
    copy = np.zeros(array.shape, array.dtype)
    first = (slice(None),) * axis + (slice(0, used),)
    copy[first] = array[first]
    return copy
