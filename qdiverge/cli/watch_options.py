"""How a run is watched: the flags that every agent has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qdiverge.sinks import SinkName


@dataclass(frozen=True)
class WatchOptions:
    """Where a run goes, and how it is watched."""

    out: Path  # a new run folder
    seconds: float | None = None  # wall-clock limit, in seconds
    every: int = 25  # updates between measurements of the monitor
    cost: Literal["light", "standard", "full"] = "standard"  # the dearest diagnostics to run
    max_overhead: float | None = 0.05
    """Share of the run's own time that costly diagnostics may take; None: no limit, so that what is
    measured does not depend on the machine's speed."""
    on_alarm: Literal["log", "snapshot", "stop"] = "log"
    """snapshot: keep the update, to diagnose it; stop: end with exit status 3."""
    sink: tuple[SinkName, ...] = ()  # further places for what is logged, beside events.jsonl
    epoch_period: int | None = None
    """Agent steps of an epoch, at whose end the held-out values and the mean score are logged; by
    default a fortieth of the run, at most 250,000. 0: never."""
    evaluation_episodes: int = 0
    """Episodes played at the end of each epoch to hold the values to what is earned."""
