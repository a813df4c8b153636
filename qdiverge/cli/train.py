"""``qdiverge train dqn``: train with the diagnostics attached."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from qdiverge.agents.config import DQNConfig
from qdiverge.cli.flags import translate_flags
from qdiverge.cli.watched import train_watched
from qdiverge.errors import InvalidValueError
from qdiverge.report import write_report

AGENTS = ("dqn",)


@dataclass(frozen=True)
class TrainDQN:
    """Train a DQN on an Atari game, watched; leaves a run folder with its report.html.

    CleanRL's flag names (--env-id, --total-timesteps, --gamma, …) are accepted, too.
    """

    out: Path  # a new run folder
    config: Annotated[DQNConfig, tyro.conf.arg(name="")] = field(default_factory=DQNConfig)
    seconds: float | None = None  # wall-clock limit, in seconds
    every: int = 25  # updates between measurements of the monitor
    cost: Literal["light", "standard", "full"] = "standard"  # the dearest diagnostics to run
    max_overhead: float = 0.05  # share of the run's own time that costly diagnostics may take
    on_alarm: Literal["log", "stop"] = "log"  # stop: end with exit status 3


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
    options = tyro.cli(TrainDQN, prog="qdiverge train dqn", args=translate_flags(arguments[1:]))
    try:
        result = train_watched(
            options.config,
            options.out,
            seconds=options.seconds,
            every=options.every,
            cost=options.cost,
            max_overhead=options.max_overhead,
            stop_on_alarm=options.on_alarm == "stop",
        )
    finally:
        if (options.out / "events.jsonl").exists():
            page = write_report([options.out])
    print(f"{options.out.name}: {result.verdict}")
    print(page)
    return 0
