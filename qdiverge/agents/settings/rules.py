"""Which settings nothing reads: a value given there would have no effect, and is refused.

A rule names settings and the condition under which no part of the run reads them. "Given" means
different from the default.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from qdiverge.errors import InvalidValueError

Config = TypeVar("Config")  # a frozen dataclass of settings
EnvironmentKind = Literal["atari", "minatar", "task"]


@dataclass(frozen=True)
class UnreadRule:
    """Settings that are read under a condition only.

    Args:
        settings: Their names.
        reason: Why.
        remedy: What to change; "or leave SETTING out" is added.
        is_unread: Of a configuration: whether nothing reads them; always, where nothing is said.
    """

    settings: tuple[str, ...]
    reason: str
    remedy: str
    is_unread: Callable[[Any], bool] = lambda config: True


def unread(config: Any, rule: UnreadRule) -> list[str]:
    """Return the settings of ``rule`` that ``config`` gives, and that nothing reads."""
    if not rule.is_unread(config):
        return []
    return [name for name in rule.settings if getattr(config, name) != default(config, name)]


def default(config: Any, name: str) -> Any:
    """Return what a setting is where nobody says."""
    return getattr(type(config), name)  # a dataclass keeps it as the attribute of the class


def adapted(config: Config, rules: Sequence[UnreadRule], given: Mapping[str, Any]) -> Config:
    """Return ``config`` with other settings; what they leave without effect is the default.

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


def check_effect(config: Any, rules: Sequence[UnreadRule]) -> None:
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
