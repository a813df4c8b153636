"""One line of the sanity table: what theory says, what the code measures, and by how much."""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """A truth and its measurement."""

    what: str
    expected: str
    measured: str
    tolerance: str
    passed: bool


def close(what: str, measured: float, expected: float, tolerance: float) -> Check:
    """Check |measured − expected| ≤ tolerance."""
    is_close = abs(measured - expected) <= tolerance
    return Check(what, f"{expected:.10g}", f"{measured:.10g}", f"± {tolerance:.1g}", is_close)


def relative(what: str, measured: float, expected: float, tolerance: float) -> Check:
    """Check |measured/expected − 1| ≤ tolerance."""
    is_close = abs(measured / expected - 1) <= tolerance
    bound = f"± {tolerance:.1g} of it"
    return Check(what, f"{expected:.10g}", f"{measured:.10g}", bound, is_close)


def at_most(what: str, measured: float, bound: float) -> Check:
    """Check measured ≤ bound."""
    return Check(what, f"≤ {bound:.6g}", f"{measured:.6g}", "", measured <= bound)


def at_least(what: str, measured: float, bound: float) -> Check:
    """Check measured ≥ bound."""
    return Check(what, f"≥ {bound:.6g}", f"{measured:.6g}", "", measured >= bound)


def same(what: str, measured: object, expected: object) -> Check:
    """Check measured == expected."""
    return Check(what, str(expected), str(measured), "exact", measured == expected)


def crossing(
    holds: Callable[[float], bool], low: float, high: float, num_halvings: int = 60
) -> float:
    """Return where ``holds``, true at ``low`` and false at ``high``, changes.

    Raises:
        ValueError: it does not change between the two.
    """
    if not holds(low) or holds(high):
        raise ValueError(f"nothing changes between {low:g} and {high:g}")
    for _ in range(num_halvings):
        middle = (low + high) / 2
        if math.isclose(middle, low, rel_tol=1e-15) or middle == high:
            break
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
