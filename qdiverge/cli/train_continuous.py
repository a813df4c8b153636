"""The flags of ``qdiverge train ddpg|td3|sac|qlearning``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Suppress

from qdiverge.agents.settings.continuous import DDPGConfig, QLearningConfig, SACConfig, TD3Config
from qdiverge.agents.settings.presets.continuous import PRESETS
from qdiverge.cli.flags import given_fields, translate_flags, value_of
from qdiverge.cli.watch_options import WatchOptions

PresetName = Literal["paper", "cleanrl", "sb3", "fast"]
CLEANRL_FLAGS = {
    "--tau": "--polyak",
    "--policy-frequency": "--policy-period",
    "--policy-lr": "--actor-learning-rate",
    "--q-lr": "--learning-rate",
    "--alpha": "--temperature",
    "--autotune": "--tune-temperature",
    "--no-autotune": "--no-tune-temperature",
}


class Unchecked:
    """Settings as the flags give them; they are checked once all of them are known."""

    def __post_init__(self) -> None:
        """Check nothing."""


class DDPGFlags(Unchecked, DDPGConfig):
    """Of DDPG."""


class TD3Flags(Unchecked, TD3Config):
    """Of TD3."""


class SACFlags(Unchecked, SACConfig):
    """Of SAC."""


class QLearningFlags(Unchecked, QLearningConfig):
    """Of Q-learning."""


@dataclass(frozen=True)
class TrainDDPG(WatchOptions):
    """Train DDPG on a task with continuous actions, watched; leaves a run with its report.

    With --update preqn it is PreQN-DDPG. CleanRL's flag names are accepted, too.
    """

    preset: PresetName | None = None  # published settings; every other flag overrides its own
    settings: OmitArgPrefixes[DDPGFlags] = field(default_factory=DDPGFlags)
    config: Suppress[DDPGConfig] = field(default_factory=DDPGConfig)  # what they come to


@dataclass(frozen=True)
class TrainTD3(WatchOptions):
    """Train TD3 on a task with continuous actions, watched; leaves a run with its report.

    CleanRL's flag names are accepted, too.
    """

    preset: PresetName | None = None  # published settings; every other flag overrides its own
    settings: OmitArgPrefixes[TD3Flags] = field(default_factory=TD3Flags)
    config: Suppress[TD3Config] = field(default_factory=TD3Config)  # what they come to


@dataclass(frozen=True)
class TrainSAC(WatchOptions):
    """Train SAC on a task with continuous actions, watched; leaves a run with its report.

    CleanRL's flag names are accepted, too.
    """

    preset: PresetName | None = None  # published settings; every other flag overrides its own
    settings: OmitArgPrefixes[SACFlags] = field(default_factory=SACFlags)
    config: Suppress[SACConfig] = field(default_factory=SACConfig)  # what they come to


@dataclass(frozen=True)
class TrainQLearning(WatchOptions):
    """Train a critic alone, without an actor, on a task with continuous actions, watched.

    It acts by maximising Q over the actions: by the cross-entropy method, or by gradient ascent.
    """

    preset: Literal["fast"] | None = None  # settings; every other flag overrides its own
    settings: OmitArgPrefixes[QLearningFlags] = field(default_factory=QLearningFlags)
    config: Suppress[QLearningConfig] = field(default_factory=QLearningConfig)  # what they come to


COMMANDS: dict[str, Any] = {
    "ddpg": (TrainDDPG, DDPGFlags, DDPGConfig),
    "td3": (TrainTD3, TD3Flags, TD3Config),
    "sac": (TrainSAC, SACFlags, SACConfig),
    "qlearning": (TrainQLearning, QLearningFlags, QLearningConfig),
}


def parse_continuous(name: str, arguments: Sequence[str]) -> Any:
    """Read the flags; those beside a preset change its settings, wherever they stand.

    Args:
        name: One of :data:`COMMANDS`.
        arguments: The flags.

    Returns:
        Its options; ``config`` is what all flags come to.

    Raises:
        InvalidValueError: the settings do not go together.

    >>> parse_continuous("td3", ["--out", "x", "--preset", "sb3", "--tau", "0.01"]).config.polyak
    0.01
    """
    command, flags_of, kind = COMMANDS[name]
    flags = translate_flags(arguments, CLEANRL_FLAGS)
    # a wrong name is left to tyro
    preset = PRESETS[name].get(value_of("--preset", flags) or "", kind())
    default = command(out=tyro.MISSING, settings=flags_of(**vars(preset)))
    options = tyro.cli(command, prog=f"qdiverge train {name}", args=flags, default=default)
    given = {each: getattr(options.settings, each) for each in given_fields(vars(preset), flags)}
    return replace(options, config=preset.adapted(**given))
