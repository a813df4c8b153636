"""What a diagnostic is: a named quantity that says what it needs and what it costs."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from qdiverge.diagnostics.moment import Moment
from qdiverge.errors import InvalidValueError

Cost = Literal["light", "standard", "full"]  # forward passes; one kernel; several kernels
COSTS: tuple[Cost, ...] = ("light", "standard", "full")


def check_cost(cost: str) -> None:
    """Raise an InvalidValueError unless ``cost`` is a tier."""
    if cost not in COSTS:
        raise InvalidValueError(f"cost must be one of {', '.join(COSTS)}", got=repr(cost))


class Diagnostic(ABC):
    """A quantity of a training run.

    Attributes:
        needs: The quantities of :class:`Moment` that it reads; shared ones are computed once.
        cost: Its tier.
    """

    needs: ClassVar[frozenset[str]]
    cost: ClassVar[Cost]

    @abstractmethod
    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/…`` metrics; NaN and infinities are results, not errors."""

    def state(self) -> list[Any]:
        """What it remembers of earlier measurements: numbers, tensors, None; most remember none."""
        return []

    def restore(self, state: list[Any]) -> None:
        """Go on from what ``state`` returned, with lists for tuples."""
        del state

    def arrays(self, moment: Moment) -> dict[str, dict[str, np.ndarray]]:
        """Return arrays worth keeping from time to time, by name; most diagnostics have none."""
        del moment
        return {}
