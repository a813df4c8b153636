"""What a diagnostic is: a named quantity that says what it needs and what it costs."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import NEED_NEXT_ACTIONS, Moment

Cost = Literal["light", "standard", "full"]  # forward passes; one kernel; several kernels
COSTS: tuple[Cost, ...] = ("light", "standard", "full")


class Diagnostic(ABC):
    """A quantity of a training run.

    Attributes:
        metrics: What it measures: the keys that ``measure`` returns, each with its formula.
        needs: The quantities of :class:`Moment` that it reads; shared ones are computed once.
        cost: Its tier.
        period: It is measured at every so many of the monitor's measurements.
        is_of_update: Whether it speaks of the run's step, so that it has no meaning where that is
            not modelled.
        of_networks_with: What a network must have for it; it measures nothing of others.
        not_for_critics: Why it has no meaning for critics of continuous actions; "" where it has.
    """

    metrics: ClassVar[tuple[Metric, ...]]
    needs: ClassVar[frozenset[str]]
    cost: ClassVar[Cost]
    period: ClassVar[int] = 1
    is_of_update: ClassVar[bool] = False
    of_networks_with: ClassVar[tuple[str, ...]] = ()
    not_for_critics: ClassVar[str] = ""

    @classmethod
    def why_off(cls, is_critic: bool, has_next_actions: bool) -> str:
        """Return why it cannot be measured on such a network; "" where it can."""
        if not is_critic:
            return ""
        if not has_next_actions and cls.needs & NEED_NEXT_ACTIONS:
            return "needs the next action: pass policy=…, or batches with next_actions"
        return cls.not_for_critics

    @abstractmethod
    def measure(self, moment: Moment) -> dict[str, float]:
        """Return the declared metrics by key; NaN and infinities are results, not errors.

        What cannot be told of this moment is left out, such as a change at the first measurement.
        """

    def state(self) -> list[Any]:
        """Return what it remembers of earlier measurements: numbers, tensors, None; or nothing."""
        return []

    def restore(self, state: list[Any]) -> None:
        """Go on from what ``state`` returned, with lists for tuples."""
        del state

    def arrays(self, moment: Moment) -> dict[str, dict[str, np.ndarray]]:
        """Return arrays worth keeping from time to time, by name; most diagnostics have none."""
        del moment
        return {}
