"""``qdiverge train dqn``: train with the diagnostics attached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import tyro

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.presets import PRESETS
from qdiverge.cli.flags import translate_flags
from qdiverge.cli.watched import train_watched
from qdiverge.errors import InvalidValueError
from qdiverge.report import write_report
from qdiverge.sinks import SinkName, as_sink

AGENTS = ("dqn",)
PresetName = Literal["nature", "machado", "dopamine", "cleanrl", "fast", "cartpole", "minatar"]


@dataclass(frozen=True)
class TrainDQN:
    """Train a DQN on an Atari game or a Gymnasium task, watched; leaves a run with its report.

    CleanRL's flag names (--env-id, --total-timesteps, --gamma, …) are accepted, too.
    """

    out: Path  # a new run folder
    preset: PresetName | None = None  # published settings; every other flag overrides its own
    config: Annotated[DQNConfig, tyro.conf.arg(name="")] = field(default_factory=DQNConfig)
    seconds: float | None = None  # wall-clock limit, in seconds
    every: int = 25  # updates between measurements of the monitor
    cost: Literal["light", "standard", "full"] = "standard"  # the dearest diagnostics to run
    max_overhead: float = 0.05  # share of the run's own time that costly diagnostics may take
    on_alarm: Literal["log", "stop"] = "log"  # stop: end with exit status 3
    sink: tuple[SinkName, ...] = ()  # further places for what is logged, beside events.jsonl
    epoch_period: int | None = None
    """Agent steps of an epoch, at whose end the held-out values and the mean score are logged; by
    default a fortieth of the run, at most 250,000. 0: never."""
    evaluation_episodes: int = 0
    """Episodes played at the end of each epoch to hold the values to what is earned."""


def parse(arguments: Sequence[str]) -> TrainDQN:
    """Read the flags; those beside ``--preset`` change its settings, wherever they stand.

    >>> parse(["--out", "x", "--preset", "nature", "--epsilon-end", "0.05"]).config.buffer_size
    1000000
    """
    name = None
    for flag, following in pairwise([*arguments, ""]):
        if flag == "--preset" or flag.startswith("--preset="):
            name = following if flag == "--preset" else flag.partition("=")[2]
    # a wrong name is left to tyro, which lists the right ones
    default = TrainDQN(out=tyro.MISSING, config=PRESETS.get(name or "", DQNConfig()))
    return tyro.cli(TrainDQN, prog="qdiverge train dqn", args=list(arguments), default=default)


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    if not arguments or arguments[0] not in AGENTS:
        if arguments and arguments[0] in ("-h", "--help"):
            print(f"usage: qdiverge train {{{','.join(AGENTS)}}} [options]")
            print("`qdiverge train dqn -h` shows every option.")
            return 0
        raise InvalidValueError(
            f"an agent was expected: qdiverge train {{{','.join(AGENTS)}}}",
            got=arguments[0] if arguments else "nothing",
            remedy="Try: qdiverge train dqn --env ALE/Pong-v5 --out runs/pong",
        )
    options = parse(translate_flags(arguments[1:]))
    sinks = [as_sink(name) for name in options.sink]
    try:
        result = train_watched(
            options.config,
            options.out,
            seconds=options.seconds,
            every=options.every,
            cost=options.cost,
            max_overhead=options.max_overhead,
            stop_on_alarm=options.on_alarm == "stop",
            sinks=sinks,
            epoch_period=options.epoch_period,
            evaluation_episodes=options.evaluation_episodes,
        )
    finally:
        if (options.out / "events.jsonl").exists():
            page = write_report([options.out])
    print(f"{options.out.name}: {result.verdict}")
    print(page)
    return 0
