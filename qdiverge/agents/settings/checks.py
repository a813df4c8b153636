"""Which settings of a run make no sense, alone or together, and why."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdiverge.checks import check_discount, check_integer, check_positive, check_share
from qdiverge.errors import InvalidValueError

if TYPE_CHECKING:
    from qdiverge.agents.settings.dqn import DQNConfig


def check_positives(config: object, names: Sequence[str]) -> None:
    """Refuse a setting among ``names`` that is not a positive number.

    Raises:
        InvalidValueError: there is one.
    """
    for name in names:
        check_positive(name, getattr(config, name))


def check_ranges(config: "DQNConfig") -> None:
    """Refuse a number that is out of its range, whatever the others are.

    Raises:
        InvalidValueError: there is one.
    """
    check_discount(config.discount)
    check_positive("learning_rate", config.learning_rate)
    names = (
        "adam_epsilon",
        "width_factor",
        "temperature_start",
        "temperature_end",
        "preqn_learning_rate",
    )
    check_positives(config, names)
    for name, least in (
        ("seed", 0),
        ("total_steps", 1),
        ("num_envs", 1),
        ("max_episode_frames", 4),
        ("noop_max", 0),
        ("buffer_size", 1),
        ("batch_size", 1),
        ("learning_starts", 0),
        ("train_period", 1),
        ("n_step", 1),
        ("target_period", 1),
        ("num_atoms", 2),
        ("exploration_steps", 0),
        ("emulator_threads", 1),
    ):
        check_integer(name, getattr(config, name), least)
    if config.checkpoint_period is not None:
        check_integer("checkpoint_period", config.checkpoint_period, 0)
    if config.torch_threads is not None:
        check_integer("torch_threads", config.torch_threads, 1)
    shares = ("repeat_action_probability", "epsilon_start", "epsilon_end")
    preqn = ("preqn_alignment", "preqn_damping")
    for name in (*shares, "priority_exponent", "priority_beta", *preqn):
        check_share(name, getattr(config, name))
    if config.polyak is not None and not 0.0 < config.polyak <= 1.0:
        raise InvalidValueError("polyak must lie in (0, 1]", got=config.polyak)
    for width in config.hidden_sizes:
        check_integer("every one of hidden_sizes", width, 1)


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
