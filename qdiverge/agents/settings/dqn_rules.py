"""Which settings of a DQN switch others off, and what goes together."""

import math
from typing import TYPE_CHECKING

from qdiverge.agents.settings.preqn_settings import OF_PREQN
from qdiverge.agents.settings.rules import EnvironmentKind, UnreadRule
from qdiverge.errors import InvalidValueError

if TYPE_CHECKING:
    from qdiverge.agents.settings.dqn_config import DQNConfig

# Who decides stands above what depends on it: a rule sees what the rules above it have settled.
SWITCHED_OFF = (
    UnreadRule(
        ("distributional", "prioritized", "precision"),
        "PreQN solves for plain TD errors, all of one weight, in full precision",
        "Take the update gradient",
        lambda c: c.is_preqn,
    ),
    UnreadRule(
        ("exploration",), "noisy weights explore by themselves", "Drop noisy", lambda c: c.noisy
    ),
    UnreadRule(
        ("double",),
        "double means the bootstrap double_q, and another one was named",
        "Drop the bootstrap",
        lambda c: c.bootstrap not in (None, "double_q"),
    ),
    UnreadRule(
        ("double",),
        "double Q-learning needs a target network",
        "Keep the target network",
        lambda c: not c.use_target_network,
    ),
    UnreadRule(
        ("polyak", "target_period"),
        "the bootstrap q has no target network to move",
        "Take another bootstrap",
        lambda c: c.bootstrap_rule == "q",
    ),
    UnreadRule(
        ("target_period",),
        "polyak moves the target network after every update, in place of copies",
        "Drop polyak",
        lambda c: c.polyak is not None,
    ),
    UnreadRule(
        ("priority_exponent", "priority_beta"),
        "only prioritised replay has priorities",
        "Add prioritized",
        lambda c: not c.prioritized,
    ),
    UnreadRule(
        ("num_atoms", "value_min", "value_max"),
        "only a distribution over returns has atoms",
        "Add distributional",
        lambda c: not c.distributional,
    ),
    UnreadRule(
        ("loss",),
        "a distribution over returns is learnt by its cross-entropy",
        "Drop distributional",
        lambda c: c.distributional,
    ),
    UnreadRule(
        ("optimizer", "learning_rate", "loss"),
        "PreQN takes the place of loss and optimiser",
        "Take the update gradient",
        lambda c: c.is_preqn,
    ),
    OF_PREQN,
    UnreadRule(
        ("adam_epsilon",),
        "only Adam has it",
        "Take the optimizer adam",
        lambda c: c.optimizer != "adam",
    ),
    UnreadRule(
        ("epsilon_start", "epsilon_end", "exploration_steps"),
        "noisy weights explore in place of ε",
        "Drop noisy",
        lambda c: c.noisy,
    ),
    UnreadRule(
        ("epsilon_start", "epsilon_end"),
        "Boltzmann exploration has a temperature in place of ε",
        "Take the exploration epsilon_greedy",
        lambda c: c.exploration == "boltzmann",
    ),
    UnreadRule(
        ("temperature_start", "temperature_end"),
        "only Boltzmann exploration has a temperature",
        "Take the exploration boltzmann",
        lambda c: c.exploration != "boltzmann",
    ),
)
"""Settings that other settings switch off."""

FIXED_NETWORK = UnreadRule(
    ("hidden_sizes",),
    "only the MLP, which reads vectors, has them",
    "Take a task whose observations are vectors",
)
SCALED_NETWORK = UnreadRule(
    ("width_factor",),
    "it scales the networks that read images, and the MLP's widths are hidden_sizes",
    "Set hidden_sizes",
)
GIVEN_NETWORK = UnreadRule(
    ("hidden_sizes", "width_factor", "dueling", "layer_norm", "optimistic_value"),
    "make_q_network makes the network",
    "Let it do so",
)
ATARI_ALONE = UnreadRule(
    ("noop_max", "terminal_on_life_loss", "full_action_space"),
    "only Atari games open with no-ops, have lives and share 18 actions",
    "Take an Atari game",
)
EMULATED = UnreadRule(
    ("repeat_action_probability", "max_episode_frames"),
    "only Atari and MinAtar games have sticky actions and count frames",
    "Take such a game",
)

THREADED = UnreadRule(
    ("emulator_threads",), "only Atari emulators have threads of their own", "Take an Atari game"
)

UNREAD_IN: dict[EnvironmentKind, tuple[UnreadRule, ...]] = {
    "atari": (FIXED_NETWORK,),
    "minatar": (FIXED_NETWORK, ATARI_ALONE, THREADED),
    "task": (ATARI_ALONE, EMULATED, THREADED),
}
"""Settings that one kind of environment does not read."""


def check_together(config: "DQNConfig") -> None:
    """Refuse settings that contradict each other.

    Raises:
        InvalidValueError: they do; the reason and the remedy are said.
    """
    if not config.use_target_network and config.bootstrap_rule != "q":
        raise InvalidValueError(
            f"the bootstrap {config.bootstrap} needs a target network: with one network for both, "
            "selecting and evaluating are the same, and it is Q",
            got="use_target_network False",
            remedy="Keep the target network, or take the bootstrap q.",
        )
    if config.layer_norm and not config.hidden_sizes:
        raise InvalidValueError(
            "layer_norm needs a hidden layer to normalise",
            got="hidden_sizes ()",
            remedy="Name the width of one hidden layer or more.",
        )
    if not -math.inf < config.value_min < config.value_max < math.inf:
        raise InvalidValueError(
            "value_min must be a number below value_max",
            got=f"{config.value_min} and {config.value_max}",
            remedy="Name the least and the largest return that can occur.",
        )
    check_optimism(config)
    least = 2 * config.n_step * config.num_envs
    if config.buffer_size < least:
        raise InvalidValueError(
            f"buffer_size must be at least {least:,}, twice the n steps of every environment",
            got=f"{config.buffer_size:,} with n_step {config.n_step}, num_envs {config.num_envs}",
            remedy="Take a larger replay, a smaller n_step or fewer environments.",
        )


def check_optimism(config: "DQNConfig") -> None:
    """Refuse an optimistic value that no network can start from.

    Raises:
        InvalidValueError: it is not finite, or no mean of a distribution on the atoms.
    """
    value = config.optimistic_value
    if value is None:
        return
    if not math.isfinite(value):
        raise InvalidValueError("optimistic_value must be a finite number", got=value)
    if config.distributional and not config.value_min < value < config.value_max:
        raise InvalidValueError(
            "optimistic_value must lie strictly between value_min and value_max, as every mean of "
            "returns between them does",
            got=f"{value}, outside ({config.value_min}, {config.value_max})",
            remedy="Take a smaller one, or a wider range of values.",
        )
