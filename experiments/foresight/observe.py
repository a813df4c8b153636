"""What a run does, as numbers: max|Q|/B and value churn after every update, and what it ends as.

With B = r_max/(1−γ), the most that any policy can earn (van Hasselt et al. 2018), on the probe:

    touched    the first update after which max|Q| > B; None: none
    stays      max|Q| > B after each update of the last tenth
    unbounded  max|Q| > 100 B, or a loss that is not finite; the run is not followed further
    churn      mean |Q after − Q before| / B of one update
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.foresight.live import PROBE_PERIOD, LiveRun

BEYOND = 100.0  # bounds
LARGEST = 1e30  # what is larger, or infinite, is kept as this
NUM_TIMES = 48  # of a curve
LEVELS = {  # in units of B: thresholds that every update is held against
    "size": [round(10 ** (-2 + k / 20), 5) for k in range(40)],
    "churn": [round(10 ** (-5 + k / 10), 7) for k in range(50)],
}


@dataclass
class Course:
    """A run as it went.

    Attributes:
        sizes: max|Q|/B before the first update and after each.
        churns: Of each update.
        td_errors: mean |δ| before the first update and at the end.
        moved: mean |Q at the end − Q before the first update| / B on one probe.
    """

    sizes: list[float] = field(default_factory=list)
    churns: list[float] = field(default_factory=list)
    td_errors: list[float] = field(default_factory=list)
    moved: float = 0.0
    is_broken: bool = False

    @property
    def touched(self) -> int | None:
        """Return the first update after which max|Q| was beyond B."""
        beyond = (u for u, size in enumerate(self.sizes) if not size <= 1)
        return next(beyond, len(self.sizes) if self.is_broken else None)

    @property
    def is_unbounded(self) -> bool:
        """Return whether the values went beyond all measure."""
        return self.is_broken or any(not size <= BEYOND for size in self.sizes)

    @property
    def stays(self) -> bool:
        """Return whether they were beyond B to the end."""
        last = self.sizes[-max(1, len(self.sizes) // 10) :]
        return self.is_unbounded or all(not size <= 1 for size in last)


def follow(run: LiveRun, at: Callable[[int, Course], None] = lambda *_: None) -> Course:
    """Take a run to its end, or until its values are beyond all measure.

    Args:
        run: At its start.
        at: Called before each update, with how many were made and the course so far; it must leave
            the run as it is.
    """
    course, B = Course(), run.bound
    first = before = run.values()
    course.sizes.append(float(before.abs().max()) / B)
    course.td_errors.append(run.td_error())
    while run.number < run.cell.num_updates and run.is_finite and course.sizes[-1] <= BEYOND:
        at(run.number, course)
        run.update()
        after = run.values()
        course.sizes.append(_finite(float(after.abs().max()) / B))
        is_new = run.cell.is_online and run.number % PROBE_PERIOD == 0
        course.churns.append(0.0 if is_new else _finite(float((after - before).abs().mean()) / B))
        before = after
    course.is_broken = not run.is_finite
    course.td_errors.append(_finite(run.td_error()))
    if not run.cell.is_online:
        course.moved = _finite(float((before - first).abs().mean()) / B)
    return course


def as_row(course: Course) -> dict[str, Any]:
    """Return what the table keeps: curves at times thinned by log, and when levels were passed."""
    times = curve_times(len(course.churns))
    return {
        "num_updates": len(course.churns),
        "touched": course.touched,
        "stays": course.stays,
        "unbounded": course.is_unbounded,
        "largest": rounded(max(course.sizes)),
        "began": rounded(course.sizes[0]),
        "times": times,
        "size": [rounded(course.sizes[t]) for t in times],
        "size_running": [rounded(max(course.sizes[: t + 1])) for t in times],
        "size_above": first_above(course.sizes, LEVELS["size"]),
        "churn_running": [rounded(max(course.churns[:t], default=0.0)) for t in times],
        "churn_above": first_above([0.0, *course.churns], LEVELS["churn"]),
        "td_errors": [rounded(e) for e in course.td_errors],
        "moved": rounded(course.moved),
    }


def curve_times(num_updates: int) -> list[int]:
    """Return up to NUM_TIMES updates from 0 to the last, thinned by log.

    >>> curve_times(10)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    """
    steps = (math.expm1(k / NUM_TIMES * math.log1p(num_updates)) for k in range(NUM_TIMES + 1))
    return sorted({round(step) for step in steps})


def first_above(values: Sequence[float], levels: Sequence[float]) -> list[int | None]:
    """Return the first update of each level at which a value lies above it; None: at none.

    >>> first_above([0.1, 0.5, 0.2, 0.9], [0.3, 0.6, 1.0])
    [1, 3, None]
    """
    highest = list(itertools.accumulate(values, max))
    places = (bisect.bisect_right(highest, level) for level in levels)
    return [place if place < len(values) else None for place in places]


def rounded(value: float | None) -> float | None:
    """Return three digits; None of NaN."""
    if value is None or math.isnan(value):
        return None
    return float(f"{min(max(value, -LARGEST), LARGEST):.3g}")


def _finite(value: float) -> float:
    return value if math.isfinite(value) else LARGEST
