"""``qdiverge train AGENT``: train with the diagnostics attached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Suppress

from qdiverge.agents.parts import environment_kind
from qdiverge.agents.settings.dqn import (
    GROUPS,
    DQNConfig,
    ExplorationSettings,
    LearningSettings,
    MachineSettings,
    NetworkSettings,
    OptimizerSettings,
    TargetSettings,
    TaskSettings,
)
from qdiverge.agents.settings.presets import PRESETS
from qdiverge.checks import check_share
from qdiverge.cli.flags import given_fields, translate_flags, value_of
from qdiverge.cli.train_continuous import parse_continuous
from qdiverge.cli.watch_options import WatchOptions
from qdiverge.cli.watched import train_watched
from qdiverge.errors import InvalidValueError
from qdiverge.report import write_report

AGENTS = {
    "dqn": "discrete actions: Atari games, MinAtar, Gymnasium tasks; with all parts of Rainbow",
    "ddpg": "continuous actions, a deterministic actor; --update preqn: without target networks",
    "td3": "continuous actions, two critics and a deterministic actor",
    "sac": "continuous actions, two critics and a stochastic actor",
    "qlearning": "continuous actions, a critic alone that searches for the best action",
}
PresetName = Literal[
    "nature",
    "machado",
    "dopamine",
    "cleanrl",
    "rainbow",
    "fast",
    "cartpole",
    "minatar",
    "minatar_fast",
]


@dataclass(frozen=True)
class TrainDQN(WatchOptions):
    """Train a DQN on an Atari game or a Gymnasium task, watched; leaves a run with its report.

    CleanRL's flag names (--env-id, --total-timesteps, --gamma, …) are accepted, too.
    """

    preset: PresetName | None = None  # published settings; every other flag overrides its own
    rainbow: FlagCreatePairsOff[bool] = False  # all parts of Rainbow: --preset rainbow
    exploration_fraction: float | None = None  # --exploration-steps as a share of --total-steps
    task: OmitArgPrefixes[TaskSettings] = field(default_factory=TaskSettings)
    learning: OmitArgPrefixes[LearningSettings] = field(default_factory=LearningSettings)
    target: OmitArgPrefixes[TargetSettings] = field(default_factory=TargetSettings)
    network: OmitArgPrefixes[NetworkSettings] = field(default_factory=NetworkSettings)
    optimization: OmitArgPrefixes[OptimizerSettings] = field(default_factory=OptimizerSettings)
    behaviour: OmitArgPrefixes[ExplorationSettings] = field(default_factory=ExplorationSettings)
    machine: OmitArgPrefixes[MachineSettings] = field(default_factory=MachineSettings)
    config: Suppress[DQNConfig] = field(default_factory=DQNConfig)  # what the groups come to


def parse(arguments: Sequence[str]) -> TrainDQN:
    """Read the flags; those beside a preset change its settings, wherever they stand.

    Settings of the preset that the other flags leave without effect go back to their defaults; a
    flag without effect is refused.

    >>> parse(["--out", "x", "--preset", "nature", "--epsilon-end", "0.05"]).config.buffer_size
    1000000

    Raises:
        InvalidValueError: the settings do not go together.
    """
    preset = PRESETS.get(_preset_name(arguments) or "")  # a wrong name is left to tyro
    groups = _grouped(preset or DQNConfig())
    default = TrainDQN(out=tyro.MISSING, **groups)
    options = tyro.cli(TrainDQN, prog="qdiverge train dqn", args=list(arguments), default=default)
    settings: dict[str, Any] = {}
    for name in groups:
        settings |= vars(getattr(options, name))
    given = {name: settings[name] for name in given_fields(settings, arguments)}
    if options.exploration_fraction is not None:
        steps = _exploration_steps(options.exploration_fraction, settings["total_steps"], given)
        given["exploration_steps"] = settings["exploration_steps"] = steps
    if preset is None:
        return replace(options, config=DQNConfig(**settings))
    kind = environment_kind(settings["environment"])
    return replace(options, config=preset.adapted(kind, **given))


def _exploration_steps(fraction: float, total_steps: int, given: Mapping[str, Any]) -> int:
    """CleanRL's way to say how long exploration lasts."""
    if "exploration_steps" in given:
        raise InvalidValueError(
            "--exploration-fraction and --exploration-steps say the same thing",
            got="both",
            remedy="Drop one of the two.",
        )
    return round(check_share("exploration_fraction", fraction) * total_steps)


def _preset_name(arguments: Sequence[str]) -> str | None:
    name = value_of("--preset", arguments)
    if "--rainbow" not in arguments:
        return name
    if name not in (None, "rainbow"):
        raise InvalidValueError(
            "--rainbow is the preset rainbow, and there can be one preset",
            got=f"--rainbow with --preset {name}",
            remedy="Drop one of the two, and name the parts that you want to add.",
        )
    return "rainbow"


def _grouped(config: DQNConfig) -> dict[str, Any]:
    """The settings of ``config``, group by group, under the names of TrainDQN's fields."""
    names = ("task", "learning", "target", "network", "optimization", "behaviour", "machine")
    return {
        name: group(**{each.name: getattr(config, each.name) for each in fields(group)})
        for name, group in zip(names, GROUPS, strict=True)
    }


def main(arguments: Sequence[str]) -> int:
    """Run the command; see :func:`qdiverge.cli.main`."""
    name, rest = (arguments[0], list(arguments[1:])) if arguments else ("nothing", [])
    if name in ("-h", "--help"):
        print(f"usage: qdiverge train {{{','.join(AGENTS)}}} [options]")
        for agent, what in AGENTS.items():
            print(f"  {agent:<10} {what}")
        print("`qdiverge train dqn -h` shows every option of dqn, and so on.")
        return 0
    if name not in AGENTS:
        raise InvalidValueError(
            f"an agent was expected: qdiverge train {{{','.join(AGENTS)}}}",
            got=name,
            remedy="Try: qdiverge train dqn --env ALE/Pong-v5 --out runs/pong",
        )
    options = parse(translate_flags(rest)) if name == "dqn" else parse_continuous(name, rest)
    is_new = not (options.out / "run.json").exists()  # else it is another run's, and refused
    try:
        result = train_watched(
            options.config,
            options.out,
            seconds=options.seconds,
            every=options.every,
            cost=options.cost,
            max_overhead=options.max_overhead,
            on_alarm=options.on_alarm,
            sinks=options.sink,
            epoch_period=options.epoch_period,
            evaluation_episodes=options.evaluation_episodes,
        )
    finally:
        if is_new and (options.out / "run.json").exists():
            page = write_report([options.out])
    print(f"{options.out.name}: {result.verdict}")
    print(page)
    return 0
