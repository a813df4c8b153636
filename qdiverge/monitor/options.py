"""The settings of a monitor, checked before anything is touched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from qdiverge.checks import check_choice, check_discount, check_integer, check_positive
from qdiverge.diagnostics import COSTS, Cost
from qdiverge.errors import InvalidValueError
from qdiverge.monitor.budget import check_overhead
from qdiverge.monitor.foresight.foresight_options import ForesightOptions
from qdiverge.runs import AlarmEvent
from qdiverge.td import BOOTSTRAPS, Bootstrap
from qdiverge.thing_checks import check_instance, check_text, shown_as_code
from qdiverge.update import UpdateRule
from qdiverge.update.rule import LOSSES

Loss = Literal["huber", "half_squared", "squared"]
Reaction = Literal["log", "snapshot", "stop"] | Callable[[AlarmEvent], object]
OnAlarm = Reaction | tuple[Reaction, ...]
REACTIONS = ("log", "snapshot", "stop")
OF_TARGET = ("target_period", "polyak", "averaging_period")  # how it follows
OF_RULE = (*OF_TARGET, "bootstrap", "clipping", "critics", "critic_subset", "has_weights",
           "loss_factor", "not_modelled")  # fmt: skip
ASSUMED_LOSS: Loss = "huber"  # until an audit sees another


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
    foresight: ForesightOptions = field(default_factory=ForesightOptions)
    rule: Mapping[str, Any] = field(default_factory=dict)  # of the update, until seen otherwise

    def __post_init__(self) -> None:
        numbers: dict[str, Any] = {
            "max_overhead": check_overhead(self.max_overhead),
            "discount": check_discount(self.discount),
            "every": check_integer("every", self.every, 1),
            "probe_size": check_integer("probe_size", self.probe_size, 1),
            "probe_refresh_period": check_integer(
                "probe_refresh_period", self.probe_refresh_period, 1
            ),
        }
        if self.audit_period is not None:
            numbers["audit_period"] = check_integer("audit_period", self.audit_period, 1)
        if self.reward_bound is not None:
            numbers["reward_bound"] = check_positive("reward_bound", self.reward_bound)
        check_choice("cost", self.cost, COSTS)
        if isinstance(self.loss, str):
            check_choice("loss", self.loss, LOSSES)
        elif self.loss is not None:
            numbers["loss"] = check_positive("loss, as a factor of the step,", self.loss)
        for name, number in numbers.items():
            object.__setattr__(self, name, number)
        if self.bootstrap is not None:
            check_choice("bootstrap", self.bootstrap, BOOTSTRAPS)
        check_text("not_modelled", self.not_modelled)
        check_instance("rule", self.rule, Mapping)
        if unknown := set(self.rule) - set(OF_RULE):
            raise InvalidValueError(
                f"rule must name fields of qd.UpdateRule, of {', '.join(OF_RULE)}",
                got=", ".join(sorted(map(str, unknown))),
                remedy="What else there is of it is read from the optimiser, or said beside it.",
            )
        UpdateRule(**self.rule)  # checks the values
        object.__setattr__(self, "rule", MappingProxyType(dict(self.rule)))
        for reaction in self.reactions:
            if not (callable(reaction) or (isinstance(reaction, str) and reaction in REACTIONS)):
                raise InvalidValueError(
                    "on_alarm must be 'log', 'snapshot', 'stop', a callable, or a tuple of these",
                    got=shown_as_code(reaction),
                )

    @property
    def reactions(self) -> tuple[Reaction, ...]:
        """Return what happens at an alarm, beside its line in the log."""
        return self.on_alarm if isinstance(self.on_alarm, tuple) else (self.on_alarm,)

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of the options."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["rule"] = dict(self.rule)
        return {k: v for k, v in values.items() if k not in ("on_alarm", "foresight")}
