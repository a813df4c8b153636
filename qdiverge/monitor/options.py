"""The settings of a monitor, checked before anything is touched."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

from qdiverge.checks import check_choice, check_discount, check_positive
from qdiverge.diagnostics import COSTS, Cost
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.budget import check_share
from qdiverge.runs import AlarmEvent
from qdiverge.td import BOOTSTRAPS, Bootstrap

Loss = Literal["huber", "half_squared", "squared"]
Reaction = Literal["log", "snapshot", "stop"] | Callable[[AlarmEvent], object]
OnAlarm = Reaction | tuple[Reaction, ...]
REACTIONS = ("log", "snapshot", "stop")
ASSUMED_LOSS: Loss = "huber"  # until an audit sees another
# The theory's loss is ½ Σ ρ_i δ_i²; torch's mse_loss has no ½, so its α is twice the optimiser's.
STEP_FACTORS: dict[str, float] = {"huber": 1.0, "half_squared": 1.0, "squared": 2.0}


@dataclass(frozen=True)
class MonitorOptions:
    """What :func:`qdiverge.attach` was asked for; see there for each one's meaning."""

    discount: float = 0.99
    every: int = 25  # updates
    cost: Cost = "standard"
    max_overhead: float | None = 0.05  # share of the run's own time
    on_alarm: OnAlarm = "log"
    loss: Loss | float | None = None
    reward_bound: float | None = None
    bootstrap: Bootstrap | None = None
    not_modelled: str = ""
    probe_size: int = 64  # transitions
    probe_refresh_period: int = 10_000  # updates
    audit_period: int | None = 1_000  # updates

    def __post_init__(self) -> None:
        check_discount(self.discount)
        check_positive("every", self.every)
        check_positive("probe_size", self.probe_size)
        check_positive("probe_refresh_period", self.probe_refresh_period)
        if self.audit_period is not None:
            check_positive("audit_period", self.audit_period)
        if self.reward_bound is not None:
            check_positive("reward_bound", self.reward_bound)
        check_choice("cost", self.cost, COSTS)
        check_share(self.max_overhead)
        if isinstance(self.loss, int | float):
            check_positive("loss, as a factor of the step,", self.loss)
        elif self.loss is not None:
            check_choice("loss", self.loss, STEP_FACTORS)
        if self.bootstrap is not None:
            check_choice("bootstrap", self.bootstrap, BOOTSTRAPS)
        for reaction in self.reactions:
            if not (callable(reaction) or reaction in REACTIONS):
                raise InvalidValueError(
                    "on_alarm must be 'log', 'snapshot', 'stop', a callable, or a tuple of these",
                    got=repr(reaction),
                )

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """Return what happens at an alarm, beside its line in the log."""
        return self.on_alarm if isinstance(self.on_alarm, tuple) else (self.on_alarm,)

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of the options."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if name != "on_alarm"}

    def step_size(self, learning_rate: float, seen: Loss | None = None) -> float:
        """Return α of the loss ½ Σ ρ_i δ_i² for an optimiser's learning rate.

        Args:
            learning_rate: The optimiser's.
            seen: The loss that an audit saw.
        """
        if isinstance(self.loss, int | float):
            return self.loss * learning_rate
        return STEP_FACTORS[seen or self.loss or ASSUMED_LOSS] * learning_rate
