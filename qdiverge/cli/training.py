"""The flags of ``qdiverge train AGENT``, made from the settings that the agent has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, arg

from qdiverge.agents.environments.kinds import environment_kind
from qdiverge.agents.settings.agent_config import (
    AgentConfig,
    DeviceSettings,
    LearningSettings,
    TaskSettings,
    groups_of,
)
from qdiverge.agents.settings.algorithms import CONFIGS
from qdiverge.agents.settings.presets import PRESETS
from qdiverge.checks import check_share
from qdiverge.cli.flags import check_flags, given_fields, translate_flags, value_of
from qdiverge.cli.watch_settings import Watching
from qdiverge.errors import InvalidValueError

AGENTS = {
    "dqn": "discrete actions: Atari games, MinAtar, Gymnasium tasks; with all parts of Rainbow",
    "ddpg": "continuous actions, a deterministic actor; --update preqn: without target networks",
    "td3": "continuous actions, two critics and a deterministic actor",
    "sac": "continuous actions, two critics and a stochastic actor",
    "qlearning": "continuous actions, a critic alone that searches for the best action",
}
ABOUT = """Train {name}, watched; leaves a run with its report.

It is for {what}. CleanRL's flag names (--env-id, --total-timesteps, --gamma, …) are accepted, too.
"""
TITLES = {TaskSettings: "task", LearningSettings: "learning", DeviceSettings: "machine"}


@dataclass(frozen=True)
class RunFlags:
    """Where a run goes, and for how long."""

    out: Path  # a new run folder
    seconds: float | None = None  # wall-clock limit, in seconds


@dataclass(frozen=True)
class Shorthands:
    """Several settings of a DQN in one flag."""

    rainbow: FlagCreatePairsOff[bool] = False  # all parts of Rainbow: --preset rainbow
    exploration_fraction: float | None = None  # --exploration-steps as a share of --total-steps


@dataclass(frozen=True)
class Training:
    """What the flags of a training run come to."""

    config: Any  # of the algorithm
    out: Path
    seconds: float | None
    watching: Watching


def is_help(arguments: Sequence[str]) -> bool:
    """Return whether help is asked for before an agent is named."""
    return bool(arguments) and arguments[0] in ("-h", "--help")


def agent_of(arguments: Sequence[str], command: str, example: str) -> tuple[str, list[str]]:
    """Return the agent that the arguments begin with, and what follows.

    Raises:
        InvalidValueError: there is none of this name.
    """
    name, *rest = arguments or ["nothing"]
    if name not in AGENTS:
        raise InvalidValueError(
            f"an agent was expected: qdiverge {command} {{{','.join(AGENTS)}}}",
            got=name,
            remedy=f"Try: qdiverge {command} dqn --env {example}",
        )
    return name, rest


def parse(algorithm: str, arguments: Sequence[str]) -> Training:
    """Read the flags; those beside a preset change its settings, wherever they stand.

    Settings of the preset that the other flags leave without effect go back to their defaults; a
    flag without effect is refused.

    Args:
        algorithm: One of :data:`AGENTS`.
        arguments: The flags.

    Raises:
        InvalidValueError: the settings do not go together.

    >>> flags = ["--out", "x", "--preset", "nature", "--epsilon-end", "0.05"]
    >>> parse("dqn", flags).config.buffer_size
    1000000
    >>> parse("td3", ["--out", "x", "--preset", "sb3", "--tau", "0.01"]).config.polyak
    0.01
    """
    kind: Any = CONFIGS[algorithm]
    flags = translate_flags(arguments, is_continuous=kind.is_continuous)
    preset = PRESETS[algorithm].get(_preset_name(flags) or "") or kind()  # tyro: a wrong name
    groups = {_title(group): _values(group, preset) for group in groups_of(kind)}
    kinds: tuple[Any, ...] = (
        RunFlags,
        Shorthands,
        Watching,
        *(type(values) for values in groups.values()),
    )
    check_flags(flags, ["preset", *(name for kind in kinds for name in _flag_names(kind))])
    options: Any = tyro.cli(
        _command(algorithm, groups), prog=f"qdiverge train {algorithm}", args=flags
    )
    settings: dict[str, Any] = {}
    for name in groups:
        settings |= vars(getattr(options, name))
    given = {name: settings[name] for name in given_fields(settings, flags)}
    if algorithm == "dqn" and options.shorthands.exploration_fraction is not None:
        fraction = options.shorthands.exploration_fraction
        given["exploration_steps"] = _exploration_steps(fraction, settings["total_steps"], given)
    config = preset.adapted(environment_kind(settings["environment"]), **given)
    return Training(config, options.run.out, options.run.seconds, options.watching)


def _command(algorithm: str, groups: Mapping[str, Any]) -> type:
    """Make the class whose fields are the flags; a flag is called as its setting is."""
    presets: Any = Literal[tuple(PRESETS[algorithm])]
    help_of_preset = arg(help="published settings; every other flag overrides its own")
    fields: list[tuple[str, Any, Any]] = [
        ("run", OmitArgPrefixes[RunFlags], field(default=RunFlags(out=tyro.MISSING))),
        ("preset", Annotated[presets | None, help_of_preset], None),
    ]
    if algorithm == "dqn":
        fields.append(("shorthands", OmitArgPrefixes[Shorthands], Shorthands()))
    fields.append(("watching", OmitArgPrefixes[Watching], Watching()))
    for name, values in groups.items():
        flat: Any = OmitArgPrefixes[type(values)]  # type: ignore[misc]
        fields.append((name, flat, field(default=values)))
    command = make_dataclass(f"Train{algorithm}", fields, frozen=True)
    command.__doc__ = ABOUT.format(name=algorithm.upper(), what=AGENTS[algorithm])
    return command


def _flag_names(group: type) -> list[str]:
    """Return how the flags of a group are called: as its fields, but where another name is given.

    >>> "sink" in _flag_names(Watching), "sinks" in _flag_names(Watching)
    (True, False)
    """
    names = []
    for name, hint in get_type_hints(group, include_extras=True).items():
        given = (getattr(extra, "name", None) for extra in getattr(hint, "__metadata__", ()))
        names.append(next((each for each in given if isinstance(each, str)), name))
    return names


def _title(group: type) -> str:
    """Return the heading of a group of settings, under ``-h``."""
    titles = (title for kind, title in TITLES.items() if issubclass(group, kind))
    return next(titles, group.__name__.removesuffix("Settings").lower())


def _values(group: type, config: AgentConfig) -> Any:
    """Return the settings of one group."""
    return group(**{name: getattr(config, name) for name in group.__dataclass_fields__})  # type: ignore[attr-defined]


def _exploration_steps(fraction: float, total_steps: int, given: Mapping[str, Any]) -> int:
    """Return for how many steps exploration lasts, said in CleanRL's way."""
    if "exploration_steps" in given:
        raise InvalidValueError(
            "--exploration-fraction and --exploration-steps say the same thing",
            got="both",
            remedy="Drop one of the two.",
        )
    return round(check_share("exploration_fraction", fraction) * total_steps)


def _preset_name(arguments: Sequence[str]) -> str | None:
    """Return the preset that the flags name."""
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
