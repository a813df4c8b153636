"""How a run is watched: the one record behind the flags, the monitor and the run.json."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from typing_extensions import Self
from tyro.conf import arg

from qdiverge.agents.settings.ranges import Count, Natural, check_ranges
from qdiverge.diagnostics import Cost
from qdiverge.monitor import MonitorOptions
from qdiverge.sinks import SinkName


@dataclass(frozen=True)
class Watching:
    """How a run is watched."""

    every: Count = 25  # updates between measurements of the monitor
    cost: Cost = "standard"  # the dearest diagnostics to run
    max_overhead: float | None = 0.05
    """Share of the run's own time that costly diagnostics may take; None: no limit, so that what is
    measured does not depend on the machine's speed."""
    foresight: bool = True
    """Let copies train ahead of the run now and then, to see divergence before it starts."""
    on_alarm: Literal["log", "snapshot", "stop", "apply"] = "log"
    """snapshot: keep the update, to diagnose it; stop: end with exit status 3 at the first alarm
    that says values diverge or are about to; apply: where divergence is foreseen, go on with the
    smaller learning rate, or the rarer copies into the target, that held in rehearsal."""
    stop_beyond_bound: float | None = None
    """End once max|Q| exceeds what any policy can earn this many times over."""
    sinks: Annotated[tuple[SinkName, ...], arg(name="sink")] = ()
    """Further places for what is logged, beside events.jsonl."""
    log_period: Count = 25  # updates between log lines of the learner
    epoch_period: Natural | None = None
    """Agent steps of an epoch, at whose end the held-out values and the mean score are logged; by
    default a fortieth of the run, at most 250,000. 0: never."""
    evaluation_episodes: Natural = 0
    """Episodes played at the end of each epoch to hold the values to what is earned."""

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            InvalidValueError: a number is out of range.
        """
        check_ranges(self)
        MonitorOptions(max_overhead=self.max_overhead)

    @classmethod
    def from_info(cls, info: Mapping[str, Any]) -> Self:
        """Read the entry ``monitor`` of a run.json."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: info[name] for name in names if name in info})
