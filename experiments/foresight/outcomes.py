"""What became of a run: one of five outcomes, by a rule that knows only its series.

With B = r_max/(1−γ), the most that any policy can earn (van Hasselt et al. 2018), and max|Q| over
the probe at every EVERY-th update:

    unbounded   max|Q| went beyond 100 B or was not finite; the run was not followed further
    recovery    max|Q| > B at some time, and max|Q| ≤ B at each of the last NUM_LAST measurements
    soft        max|Q| > B at some time, and neither of these
    collapse    never beyond B, but the features have lost their rank (srank ≤ 2, a quarter of what
                it was) or nine units of ten are dead, at the last three measurements of these
    healthy     none of all that

The first three are the divergent runs; the time to blow-up is the first update beyond B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qdiverge.monitor.rules.capacity import dead_units as dead_units_alarm
from qdiverge.monitor.rules.capacity import rank_collapse
from qdiverge.monitor.rules.past import Past, Track

BEYOND = 100.0  # bounds
NUM_LAST = 5  # measurements
OUTCOMES = ("unbounded", "soft", "recovery", "collapse", "healthy")
DIVERGENT = OUTCOMES[:3]


@dataclass(frozen=True)
class Outcome:
    """An outcome, and the update at which max|Q| was first seen beyond the bound; None: never."""

    name: str
    blow_up: int | None

    @property
    def is_divergent(self) -> bool:
        """Return whether the values ever left what a policy can earn."""
        return self.blow_up is not None


def outcome(
    updates: ArrayLike,
    sizes: ArrayLike,
    bound: float,
    *,
    is_cut: bool = False,
    num_updates: int | None = None,
    srank: ArrayLike = (),
    dead_units: ArrayLike = (),
) -> Outcome:
    """Label a run.

    Args:
        updates: When max|Q| was measured, [T].
        sizes: max|Q|, [T]; NaN and infinities count as beyond.
        bound: B.
        is_cut: The loss was not finite any more, whatever max|Q| was at the last measurement.
        num_updates: When the run ended, where that was after the last measurement.
        srank: Of the features, at its own measurements.
        dead_units: Share of hidden units, likewise.

    >>> outcome([10, 20, 30], [1.0, 11.0, 12.0], 10.0)
    Outcome(name='soft', blow_up=20)
    """
    size = np.asarray(sizes, dtype=np.float64)
    is_over = ~(size <= bound)
    if is_over.any() or is_cut:
        end = num_updates if num_updates is not None else int(np.asarray(updates)[-1])
        blow_up = int(np.asarray(updates)[is_over][0]) if is_over.any() else end
        if is_cut or bool((~(size <= BEYOND * bound)).any()):
            return Outcome("unbounded", blow_up)
        return Outcome("soft" if is_over[-NUM_LAST:].any() else "recovery", blow_up)
    return Outcome("collapse" if _has_collapsed(srank, dead_units) else "healthy", None)


def _has_collapsed(srank: ArrayLike, dead_units: ArrayLike) -> bool:
    values = {"srank": np.asarray(srank, float), "dead_units": np.asarray(dead_units, float)}
    past = Past({f"diverge/{k}": Track(np.arange(len(v)), v) for k, v in values.items()})
    return dead_units_alarm(past) is not None or rank_collapse(past) is not None
