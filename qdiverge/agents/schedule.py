"""How a number of a run changes over its steps."""


def linear_schedule(step: int, start: float, end: float, duration: int) -> float:
    """Go from ``start`` to ``end`` in a straight line, constant afterwards.

        ε_t = (1 − x) start + x end,  x = min(t / duration, 1)

    Source: Mnih et al. (2015), Methods: Training details.

    Args:
        step: t ≥ 0.
        start: Value at step 0.
        end: Value from step ``duration`` on.
        duration: Steps; 0 gives ``end`` at once.

    Returns:
        ε_t.

    >>> [linear_schedule(t, 1.0, 0.1, 100) for t in (0, 50, 1000)]
    [1.0, 0.55, 0.1]
    """
    if duration <= 0:
        return end
    done = min(step / duration, 1.0)
    return (1.0 - done) * start + done * end
