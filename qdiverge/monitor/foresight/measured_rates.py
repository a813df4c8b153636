"""How often copies that run ahead were right: each rule's rates on runs it was not set on.

Made by ``python -m experiments foresight rates`` from the study's evaluation, and held to it by a
test.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

TABLE = Path(__file__).with_name("measured_rates.json")
Evidence = Literal["live", "own order", "fixed data", "fixed data, fast", "replay", "batches"]


@dataclass(frozen=True)
class Rate:
    """A count out of a total, with Wilson's 95 % interval."""

    count: int
    of: int
    low: float
    high: float

    def told_of(self, what: str) -> str:
        """Return it in words.

        >>> Rate(3, 10, 0.108, 0.603).told_of("sound runs")
        '3 of 10 sound runs (11 to 60 %)'
        """
        return f"{self.count} of {self.of} {what} ({_percent(self.low)} to {_percent(self.high)} %)"


@dataclass(frozen=True)
class Measured:
    """What one rule did on the study's test split.

    Attributes:
        threshold: Of max|Q| over the limit, 5/4 of r_max/(1 − γ).
        caught: Runs that passed the limit, and were called before they passed r_max/(1 − γ).
        false: Runs that never did, and were called.
        left: Of the time that copies foretold, what was left before the run passed r_max/(1 − γ):
            the 5 and the 95 % quantile over the runs that were caught.
    """

    threshold: float
    caught: Rate
    false: Rate
    left: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"this rule called {self.caught.told_of('divergent runs')} of "
            f"a test corpus before they diverged, and {self.false.told_of('sound ones')} wrongly"
        )


@cache
def measured() -> dict[str, Measured]:
    """Return the rules that were measured, by the evidence that they go by.

    What copies say that learn from the last batches alone was not.

    >>> sorted(measured())
    ['fixed data', 'fixed data, fast', 'live', 'own order', 'replay']
    >>> measured()["own order"].threshold
    1.0
    """
    rules = json.loads(TABLE.read_text(encoding="utf-8"))["rules"]
    return {name: _read(row) for name, row in rules.items()}


def _read(row: dict[str, Any]) -> Measured:
    caught, false = (
        Rate(row[name]["count"], row[name]["of"], *row[name]["interval"])
        for name in ("caught", "false")
    )
    return Measured(row["threshold"], caught, false, tuple(row["left"]))


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share == 0 or share > 0.01 else f"{100 * share:.1f}"
