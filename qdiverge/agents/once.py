"""Attributes that are given once, because other objects hold on to what they were given.

A run loop whose agent is exchanged would let the new one learn while its behaviour policy goes on
asking the old one; an agent whose network is exchanged would go on moving the old one's weights.
"""

from typing import Any, Generic, TypeVar, overload

from typing_extensions import Self

from qdiverge.errors import ReadOnlyError

T = TypeVar("T")


class Once(Generic[T]):
    """An attribute that ``__init__`` sets, and nobody after it.

    It is kept in the instance under its own name, as any other.

    >>> class Loop:
    ...     agent = Once[str]()
    ...     def __init__(self): self.agent = "the first"
    >>> loop = Loop()
    >>> loop.agent = "another"
    Traceback (most recent call last):
    qdiverge.errors.ReadOnlyError: Loop.agent is given once: others hold the one there is. Make a \
new Loop.
    >>> loop.agent
    'the first'
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...

    @overload
    def __get__(self, owner: object, kind: type) -> T: ...

    def __get__(self, owner: object | None, kind: type) -> Any:
        if owner is None:
            return self
        try:
            return vars(owner)[self._name]
        except KeyError:
            raise AttributeError(f"{kind.__name__} has no {self._name} yet") from None

    def __set__(self, owner: object, value: T) -> None:
        if self._name in vars(owner):
            name = type(owner).__name__
            raise ReadOnlyError(
                f"{name}.{self._name} is given once: others hold the one there is",
                remedy=f"Make a new {name}.",
            )
        vars(owner)[self._name] = value
