"""Which settings nothing reads: a value given there would have no effect, and is refused.

A rule names settings and the condition under which no part of the run reads them. "Given" means
different from the default.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from qdiverge.errors import InvalidValueError

Config = TypeVar("Config")  # a frozen dataclass of settings


@dataclass(frozen=True)
class Rule:
    """Settings that are read under a condition only.

    Args:
        settings: Their names.
        is_unread: Of a configuration: whether nothing reads them.
        reason: Why.
        remedy: What to change; "or leave SETTING out" is added.
    """

    settings: tuple[str, ...]
    is_unread: Callable[[Any], bool]
    reason: str
    remedy: str


OF_PREQN = Rule(
    ("preqn_learning_rate", "preqn_alignment", "preqn_align_with", "preqn_damping"),
    lambda c: c.update != "preqn",
    "only PreQN has it",
    "Take the update preqn",
)
# Who decides stands above what depends on it: a rule sees what the rules above it have settled.
SETTING_RULES = (
    Rule(
        ("distributional", "prioritized", "precision"),
        lambda c: c.update == "preqn",
        "PreQN solves for plain TD errors, all of one weight, in full precision",
        "Take the update gradient",
    ),
    Rule(
        ("exploration",),
        lambda c: c.noisy,
        "noisy weights explore by themselves",
        "Drop noisy",
    ),
    Rule(
        ("double",),
        lambda c: c.bootstrap not in (None, "double_q"),
        "double means the bootstrap double_q, and another one was named",
        "Drop the bootstrap",
    ),
    Rule(
        ("double",),
        lambda c: not c.use_target_network,
        "double Q-learning needs a target network",
        "Keep the target network",
    ),
    Rule(
        ("polyak", "target_period"),
        lambda c: c.bootstrap_rule == "q",
        "the bootstrap q has no target network to move",
        "Take another bootstrap",
    ),
    Rule(
        ("target_period",),
        lambda c: c.polyak is not None,
        "polyak moves the target network after every update, in place of copies",
        "Drop polyak",
    ),
    Rule(
        ("priority_exponent", "priority_beta"),
        lambda c: not c.prioritized,
        "only prioritised replay has priorities",
        "Add prioritized",
    ),
    Rule(
        ("num_atoms", "value_min", "value_max"),
        lambda c: not c.distributional,
        "only a distribution over returns has atoms",
        "Add distributional",
    ),
    Rule(
        ("loss",),
        lambda c: c.distributional,
        "a distribution over returns is learnt by its cross-entropy",
        "Drop distributional",
    ),
    Rule(
        ("optimizer", "learning_rate", "loss"),
        lambda c: c.update == "preqn",
        "PreQN takes the place of loss and optimiser",
        "Take the update gradient",
    ),
    OF_PREQN,
    Rule(
        ("adam_epsilon",),
        lambda c: c.optimizer != "adam",
        "only Adam has it",
        "Take the optimizer adam",
    ),
    Rule(
        ("epsilon_start", "epsilon_end", "exploration_steps"),
        lambda c: c.noisy,
        "noisy weights explore in place of ε",
        "Drop noisy",
    ),
    Rule(
        ("epsilon_start", "epsilon_end"),
        lambda c: c.exploration == "boltzmann",
        "Boltzmann exploration has a temperature in place of ε",
        "Take the exploration epsilon_greedy",
    ),
    Rule(
        ("temperature_start", "temperature_end"),
        lambda c: c.exploration != "boltzmann",
        "only Boltzmann exploration has a temperature",
        "Take the exploration boltzmann",
    ),
)
"""Settings that other settings switch off."""

FIXED_NETWORK = Rule(
    ("hidden_sizes",),
    lambda c: True,
    "only the MLP, which reads vectors, has them",
    "Take a task whose observations are vectors",
)
SCALED_NETWORK = Rule(
    ("width_factor",),
    lambda c: True,
    "it scales the networks that read images, and the MLP's widths are hidden_sizes",
    "Set hidden_sizes",
)
GIVEN_NETWORK = Rule(
    ("hidden_sizes", "width_factor", "dueling", "layer_norm", "optimistic_value"),
    lambda c: True,
    "make_q_network makes the network",
    "Let it do so",
)
ATARI_ALONE = Rule(
    ("noop_max", "terminal_on_life_loss", "full_action_space"),
    lambda c: True,
    "only Atari games open with no-ops, have lives and share 18 actions",
    "Take an Atari game",
)
EMULATED = Rule(
    ("repeat_action_probability", "max_episode_frames"),
    lambda c: True,
    "only Atari and MinAtar games have sticky actions and count frames",
    "Take such a game",
)

THREADED = Rule(
    ("emulator_threads",),
    lambda c: True,
    "only Atari emulators have threads of their own",
    "Take an Atari game",
)

EnvironmentKind = Literal["atari", "minatar", "task"]
ENVIRONMENT_RULES: dict[EnvironmentKind, tuple[Rule, ...]] = {
    "atari": (FIXED_NETWORK,),
    "minatar": (FIXED_NETWORK, ATARI_ALONE, THREADED),
    "task": (ATARI_ALONE, EMULATED, THREADED),
}
"""Settings that one kind of environment does not read."""


def unread(config: Any, rule: Rule) -> list[str]:
    """The settings of ``rule`` that ``config`` gives, and that nothing reads."""
    if not rule.is_unread(config):
        return []
    return [name for name in rule.settings if getattr(config, name) != default(config, name)]


def default(config: Any, name: str) -> Any:
    """What a setting is where nobody says."""
    return getattr(type(config), name)  # a dataclass keeps it as the attribute of the class


def adapted(config: Config, rules: Sequence[Rule], given: Mapping[str, Any]) -> Config:
    """``config`` with other settings; what they leave without effect is the default.

    Args:
        config: Left as it is.
        rules: Which settings are read.
        given: Settings by name; kept, and refused where they have no effect themselves.

    Raises:
        InvalidValueError: as for a new configuration.
    """
    draft = object.__new__(type(config))
    vars(draft).update({**vars(config), **given})
    for rule in rules:
        for name in unread(draft, rule):
            if name not in given:
                vars(draft)[name] = default(draft, name)
    names = [field.name for field in fields(type(config)) if field.init]  # type: ignore[arg-type]
    return type(config)(**{name: vars(draft)[name] for name in names})


def check_effect(config: Any, rules: Sequence[Rule]) -> None:
    """Refuse a given setting that nothing reads.

    Raises:
        InvalidValueError: there is one; the reason and the remedy are said.
    """
    for rule in rules:
        for name in unread(config, rule):
            raise InvalidValueError(
                f"{name} would have no effect: {rule.reason}",
                got=repr(getattr(config, name)),
                remedy=f"{rule.remedy}, or leave {name} out.",
            )
