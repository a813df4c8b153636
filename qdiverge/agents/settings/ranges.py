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
    check_number,
    check_positive,
    check_share,
    check_step_share,
    check_switch,
)
from qdiverge.thing_checks import check_list, check_text

Check = Callable[[str, Any], Any]  # returns the value, or raises where it is refused


Natural = Annotated[int, partial(check_integer, least=0)]
Count = Annotated[int, partial(check_integer, least=1)]
Threads = Annotated[int, partial(check_integer, least=1, most=1_024)]  # no machine has more cores
Atoms = Annotated[int, partial(check_integer, least=2)]
Frames = Annotated[int, partial(check_integer, least=4)]  # of an emulator, four to an agent step
Positive = Annotated[float, check_positive]
Share = Annotated[float, check_share]  # in [0, 1]
StepShare = Annotated[float, check_step_share]  # in (0, 1]
Deviation = Annotated[float, check_nonnegative]
Discount = Annotated[float, lambda _, value: check_discount(value)]
Device = Annotated[str, lambda _, value: check_device_name(value)]


def check_ranges(settings: Any) -> None:
    """Refuse a setting that is not what its annotation says; numbers of numpy become Python's.

    Args:
        settings: A dataclass.

    Raises:
        InvalidValueError: there is one.
    """
    kind: type = type(settings)
    for name, check in _checks(kind).items():
        object.__setattr__(settings, name, check(name, getattr(settings, name)))


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
        return lambda name, value: tuple(check_list(name, value, each))
    of_plain: dict[Any, Check] = {bool: check_switch, str: check_text, float: check_number}
    return of_plain.get(annotation, lambda name, value: value)
