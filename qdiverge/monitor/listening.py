"""Hear the calls of one object's method, at its class: the object is not touched, and pickles."""

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any
from weakref import WeakKeyDictionary

Around = Callable[..., Any]  # called with the bound method, then with its arguments


class HeardMethod:
    """What stands for a method of a class; calls of objects that nobody listens to pass by.

    It is pickled as the method it stands for, since classes of a script are pickled by value.

    Args:
        owner: The class.
        name: Of the method, its own or inherited.
    """

    def __init__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name
        self.method = getattr(owner, name)
        self.own = owner.__dict__.get(name)  # None: inherited
        self.listeners: WeakKeyDictionary[object, Around] = WeakKeyDictionary()
        functools.update_wrapper(self, self.method)

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, instance: object, *args: Any, **kwargs: Any) -> Any:
        """Make the call, by who listens to this object."""
        around = self.listeners.get(instance)
        if around is None:
            return self.method(instance, *args, **kwargs)
        return around(MethodType(self.method, instance), *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.method,)

    def leave(self) -> None:
        """Put the class back as it was, unless another has taken this place since."""
        if self.owner.__dict__.get(self.name) is not self:
            return
        if self.own is None:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, self.own)


def listen(instance: object, name: str, around: Around) -> Callable[[], None]:
    """Have each call of ``instance.name`` made as ``around(method, *args, **kwargs)``.

    Not heard are calls of a method that was bound before, as of ``self.update_func = self.update``.

    Args:
        instance: The object.
        name: Of its method.
        around: Makes the call, and returns what it returned.

    Returns:
        What ends it; the class is as before once nobody listens to any object of it.

    >>> class Buffer:
    ...     def sample(self, size): return [0] * size
    >>> buffer, sizes = Buffer(), []
    >>> stop = listen(buffer, "sample", lambda method, size: sizes.append(size) or method(size))
    >>> buffer.sample(2), Buffer().sample(3), sizes
    ([0, 0], [0, 0, 0], [2])
    >>> stop()
    >>> type(Buffer.__dict__["sample"]).__name__
    'function'
    """
    owner = type(instance)
    heard = owner.__dict__.get(name)
    if not isinstance(heard, HeardMethod):
        heard = HeardMethod(owner, name)
        setattr(owner, name, heard)
    heard.listeners[instance] = around

    def stop() -> None:
        heard.listeners.pop(instance, None)
        if not heard.listeners:
            heard.leave()

    return stop


def unheard(instance: object, name: str) -> Callable[..., Any]:
    """Return a method of an object as it is when nobody listens, whoever does.

    >>> class Buffer:
    ...     def sample(self): return 1
    >>> buffer, heard = Buffer(), []
    >>> stop = listen(buffer, "sample", lambda method: heard.append(1) or method())
    >>> unheard(buffer, "sample")(), heard
    (1, [])
    >>> stop()
    """
    method = getattr(type(instance), name)
    while isinstance(method, HeardMethod):
        method = method.method
    return MethodType(method, instance)


def _itself(method: Any) -> Any:
    return method
