"""Which settings of a run make no sense, alone or together, and why."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qdiverge.errors import InvalidValueError

if TYPE_CHECKING:
    from qdiverge.agents.config import DQNConfig


def check_integer(name: str, value: int, least: int) -> int:
    """Return ``value`` if it is an integer of at least ``least``.

    Raises:
        InvalidValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidValueError(f"{name} must be an integer of at least {least}", got=value)
    return value


def check_choices(name: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``choices``.

    Raises:
        InvalidValueError: it is not.
    """
    if value not in choices:
        raise InvalidValueError(f"{name} must be one of {', '.join(choices)}", got=repr(value))
    return value


def check_together(config: "DQNConfig") -> None:
    """Refuse settings that contradict each other.

    Raises:
        InvalidValueError: they do; the reason and the remedy are said.
    """
    given, rule = config.bootstrap, config.bootstrap_rule
    if config.double and given not in (None, "double_q"):
        raise InvalidValueError(
            "double means the bootstrap double_q",
            got=f"double with bootstrap {given!r}",
            remedy="Give one of the two.",
        )
    if not config.use_target_network and (config.double or rule != "q"):
        raise InvalidValueError(
            f"the bootstrap {given or 'double_q'} needs a target network: with one network for "
            "both, selecting and evaluating are the same, and it is Q",
            got="use_target_network False",
            remedy="Keep the target network, or take the bootstrap q.",
        )
    if config.polyak is not None and rule == "q":
        raise InvalidValueError(
            "polyak moves a target network, and the bootstrap q has none",
            got=f"polyak {config.polyak}",
            remedy="Leave polyak out, or take another bootstrap.",
        )
    if config.layer_norm and not config.hidden_sizes:
        raise InvalidValueError(
            "layer_norm needs a hidden layer to normalise",
            got="hidden_sizes ()",
            remedy="Name the width of one hidden layer or more.",
        )
    slots = config.buffer_size // config.num_envs
    if config.n_step > slots // 2:
        raise InvalidValueError(
            f"n_step must be at most half of the {slots} transitions that the replay holds of each "
            "environment",
            got=config.n_step,
            remedy="Take a smaller n_step or a larger buffer_size.",
        )
