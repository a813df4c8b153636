"""The attributes that classes declare in ``__slots__``, as a mapping."""

from collections.abc import Iterator, MutableMapping
from typing import Any


class Slots(MutableMapping[str, Any]):
    """The slots of an object that are set, by name.

    >>> class Pair:
    ...     __slots__ = ("first", "second")
    >>> pair = Pair(); slots = Slots(pair)
    >>> slots["first"] = 1
    >>> pair.first, list(slots)
    (1, ['first'])
    """

    def __init__(self, value: Any) -> None:
        self._value = value
        declared = [
            (kind, each)
            for kind in type(value).__mro__
            for names in [vars(kind).get("__slots__", ())]
            for each in ([names] if isinstance(names, str) else names)
        ]
        mangled = [
            f"_{kind.__name__.lstrip('_')}{name}"
            if name.startswith("__") and not name.endswith("__")
            else name
            for kind, name in declared
        ]
        self._names = [name for name in mangled if name not in ("__dict__", "__weakref__")]

    def __getitem__(self, name: str) -> Any:
        return getattr(self._value, name)

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self._value, name, value)

    def __delitem__(self, name: str) -> None:
        object.__delattr__(self._value, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if hasattr(self._value, name))

    def __len__(self) -> int:
        return sum(1 for _ in self)
