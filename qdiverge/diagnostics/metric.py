"""What a logged number is: declared once, beside the code that measures it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number that a run logs.

    Attributes:
        key: The name under which it is logged.
        formula: Its definition over the probe batch; ``_x`` and ``_{xy}`` are subscripts.
        unit: Q: that of the Q-values, which is that of the rewards; a share lies in [0, 1]; "1" is
            a number without a unit.
        healthy: Where it lies in a run that goes well.
    """

    key: str
    formula: str
    unit: str
    healthy: str
