"""What each setting may be, said where it is declared: ``batch_size: Count = 32``.

An annotation says it all: one of the names below, a ``Literal``, ``bool``, ``X | None`` or
``tuple[X, ...]`` of these.
"""

import types
from collections.abc import Callable
from dataclasses import fields
from functools import cache, partial
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from qdiverge.agents.machine.device import check_device_name
from qdiverge.checks import (
    check_choice,
    check_discount,
    check_integer,
    check_nonnegative,
    check_positive,
    check_share,
    check_step_share,
)
from qdiverge.errors import InvalidValueError

Check = Callable[[str, Any], object]  # raises where the value of the setting so named is refused


def check_switch(name: str, value: bool) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise InvalidValueError(f"{name} must be True or False", got=repr(value))


Natural = Annotated[int, partial(check_integer, least=0)]
Count = Annotated[int, partial(check_integer, least=1)]
Atoms = Annotated[int, partial(check_integer, least=2)]
Frames = Annotated[int, partial(check_integer, least=4)]  # of an emulator, four to an agent step
Positive = Annotated[float, check_positive]
Share = Annotated[float, check_share]  # in [0, 1]
StepShare = Annotated[float, check_step_share]  # in (0, 1]
Deviation = Annotated[float, check_nonnegative]
Discount = Annotated[float, lambda _, value: check_discount(value)]
Device = Annotated[str, lambda _, value: check_device_name(value)]


def check_ranges(settings: Any) -> None:
    """Refuse a setting that is not what its annotation says.

    Args:
        settings: A dataclass.

    Raises:
        InvalidValueError: there is one.
    """
    kind: type = type(settings)
    for name, check in _checks(kind).items():
        check(name, getattr(settings, name))


@cache
def _checks(kind: type) -> dict[str, Check]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: _check_of(hints[each.name]) for each in fields(kind)}


def _check_of(annotation: Any) -> Check:
    kind, parts = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        named = (part for part in annotation.__metadata__ if callable(part))
        return next(named, None) or _check_of(parts[0])
    if kind is Literal:
        return partial(check_choice, choices=parts)
    if kind in (Union, types.UnionType):
        (inner,) = (_check_of(part) for part in parts if part is not type(None))
        return lambda name, value: None if value is None else inner(name, value)
    if kind is tuple:
        each = _check_of(parts[0])
        return lambda name, value: [each(f"every one of {name}", entry) for entry in value]
    return check_switch if annotation is bool else lambda name, value: None
