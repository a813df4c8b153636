"""How far copies may go on a replay that is still small: each row is learnt from so often at most.

A copy that trains H updates of b rows on N transitions visits each Hb/N times. A run's replay has
grown meanwhile; a copy's has not, and where that is small its values may leave what the run's would
stay within. In the foresight study copies of runs whose replay grows visited each up to 32 times,
and no call was false on its dev split (96 looks at 32 sound runs). So far, and no further:

    H ≤ 32 N/b
"""

from collections.abc import Callable, Sized
from typing import Any

MOST_VISITS = 32


def updates_within(num_rows: int | None, batch_size: int, num_updates: int) -> int:
    """Return how many updates copies may make of those planned.

    Args:
        num_rows: N; None: not known.
        batch_size: b.
        num_updates: As planned.

    >>> updates_within(16, 32, 300), updates_within(500, 32, 500), updates_within(None, 32, 500)
    (16, 500, 500)
    """
    if num_rows is None:
        return num_updates
    return min(num_updates, MOST_VISITS * num_rows // batch_size)


def rows_in(data: Any, num_rows: Callable[[], int] | None) -> int | None:
    """Return how many transitions a replay holds: as told, or the length of what draws.

    >>> from collections import deque
    >>> rows_in(deque([1, 2]).copy, None), rows_in(lambda: 0, lambda: 7), rows_in(lambda: 0, None)
    (2, 7, None)
    """
    if num_rows is not None:
        return num_rows()
    owner = getattr(data, "__self__", None)
    return len(owner) if isinstance(owner, Sized) else None
