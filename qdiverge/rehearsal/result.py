"""The record of a rehearsal, and how it reads."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from qdiverge.update.map_exponent import UpdateExponent
from qdiverge.update.rule import UpdateRule


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What copies of a run did, that trained on from where it is.

    Attributes:
        rule: The update that they made.
        limit: Of max|Q|, 5/4 of r_max/(1 − γ), the most that any policy can earn: a network that
            has learnt may be a little beyond that. Where max|Q| is beyond it already, more by twice
            so much. See :mod:`qdiverge.diagnostics.value_bound`.
        num_updates: Of the run, how far they went.
        speed: Updates of the run to one of theirs.
        q_abs_max: max|Q| over the probe, ``[orders, updates/speed]``; NaN after the limit.
        passed: Of each order, the update at which the limit was passed; None: it was not.
        td_error_before: mean |δ| at the start.
        td_error_after: At the end, the median over the orders that stayed; NaN where none did.
        notes: What the copies could not be faithful in, in sentences.
    """

    rule: UpdateRule
    limit: float
    num_updates: int
    speed: float
    q_abs_max: np.ndarray
    passed: tuple[int | None, ...]
    td_error_before: float
    td_error_after: float
    notes: tuple[str, ...] = ()
    find_exponent: Callable[[], UpdateExponent] = field(repr=False, default=lambda: NotImplemented)

    @property
    def share(self) -> float:
        """Return the share of orders that diverge."""
        return sum(update is not None for update in self.passed) / len(self.passed)

    @property
    def diverges(self) -> bool:
        """Return whether more than half of the orders diverge."""
        return self.share > 0.5

    @property
    def update(self) -> int | None:
        """Return the median update at which the limit is passed; None: by half of them or fewer."""
        if not self.diverges:
            return None
        return round(statistics.median(u for u in self.passed if u is not None))

    @cached_property
    def exponent(self) -> UpdateExponent:
        """Return how a small difference grows in one update, now; found when first asked for.

        It describes the moment; the rehearsal is what looks ahead.
        """
        return self.find_exponent()

    def __str__(self) -> str:
        orders = len(self.passed)
        number = sum(update is not None for update in self.passed)
        start = self.q_abs_max[:, 0]
        fast = "" if self.speed == 1 else f", {self.speed:g} updates in one"
        head = f"Rehearsed {self.num_updates} updates in {orders} orders{fast}: "
        if self.diverges:
            times = sorted(u for u in self.passed if u is not None)
            text = (
                f"{head}{number} of {orders} diverge, at update {self.update} "
                f"({times[0]} to {times[-1]}), where max|Q| passes {self.limit:.4g}."
            )
        else:
            ends = [float(row[np.isfinite(row)][-1]) for row in self.q_abs_max]
            few = f" {number} of {orders} diverges." if number else ""
            text = (
                f"{head}the values stay within {self.limit:.4g}.{few} max|Q| goes from "
                f"{float(np.nanmedian(start)):.4g} to {statistics.median(ends):.4g}, mean |δ| from "
                f"{self.td_error_before:.4g} to {self.td_error_after:.4g}."
            )
        return " ".join([text, *self.notes])
