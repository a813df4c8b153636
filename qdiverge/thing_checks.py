"""Checks of what kind of thing an argument is; each returns what it checked."""

import operator
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qdiverge.errors import InvalidTypeError, InvalidValueError, MissingExtraError, shown

T = TypeVar("T")
VOWELS = tuple("AEIOaeio")  # of names, before which "an" stands
PUBLIC = {"Module": "torch.nn.Module", "Optimizer": "torch.optim.Optimizer", "Mapping": "dict"}


def check_instance(name: str, value: T, kind: Any, remedy: str = "") -> T:
    """Return ``value`` where it is of a class.

    Raises:
        InvalidTypeError: it is not.

    >>> check_instance("data", [1], dict)
    Traceback (most recent call last):
    qdiverge.errors.InvalidTypeError: data must be a dict; got a list.
    """
    if isinstance(value, kind):
        return value
    name_of = PUBLIC.get(kind.__name__, kind.__name__)
    article = "an" if name_of.startswith(("A", "E", "I", "MDP", "O", "Update")) else "a"
    raise InvalidTypeError(f"{name} must be {article} {name_of}", got=type_of(value), remedy=remedy)


def check_list(name: str, value: Any, each: Callable[[str, Any], Any] | None = None) -> list[Any]:
    """Return the entries of a list or a tuple, which text is not.

    Args:
        name: The argument.
        value: What came.
        each: Checks an entry.

    Raises:
        InvalidTypeError: it is no list.

    >>> check_list("names", ("a", 3), check_text)
    Traceback (most recent call last):
    qdiverge.errors.InvalidTypeError: every one of names must be text; got an int.
    """
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidTypeError(f"{name} must be a list", got=type_of(value))
    return list(value) if each is None else [each(f"every one of {name}", one) for one in value]


def check_callable(name: str, value: Any, what: str) -> Any:
    """Return ``value`` where it can be called.

    Args:
        name: The argument.
        value: What came.
        what: What it is to be: "a function of …".

    Raises:
        InvalidTypeError: it cannot.
    """
    if not callable(value):
        raise InvalidTypeError(f"{name} must be {what}", got=type_of(value))
    return value


def check_path(name: str, value: Any) -> Path:
    """Return a path that the system takes.

    Raises:
        InvalidTypeError: it is neither text nor a path.
        InvalidValueError: there is a character in it that no path has.
    """
    try:
        path = Path(value)
        os.fsencode(path)
    except (TypeError, UnicodeError) as error:
        raise InvalidTypeError(f"{name} must be a path", got=type_of(value)) from error
    if "\0" in str(path):
        raise InvalidValueError(f"{name} must be a path", got=repr(str(path)))
    return path


def check_text(name: str, value: Any) -> str:
    """Return ``value`` where it is text that a file can hold.

    Raises:
        InvalidTypeError: it is none.
        InvalidValueError: half a surrogate pair is in it.
    """
    if not isinstance(value, str):
        raise InvalidTypeError(f"{name} must be text", got=type_of(value))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidValueError(f"{name} must be text", got=repr(value)) from error
    return value


def check_seed(seed: Any, name: str = "seed") -> Any:
    """Return what numpy makes a generator of: None, a natural number, several, or a generator.

    Raises:
        InvalidTypeError: it is something else.
    """
    given = seed if isinstance(seed, list | tuple) else [seed]
    known = (np.random.SeedSequence, np.random.BitGenerator, np.random.Generator)
    if seed is None or isinstance(seed, known):
        return seed
    try:
        whole = [-1 if isinstance(number, bool) else operator.index(number) for number in given]
        if min(whole, default=-1) < 0:
            raise ValueError(whole)
    except Exception as error:  # of somebody's own object, it may be any
        raise InvalidTypeError(
            f"{name} must be an integer of at least 0, or a generator of numpy's", got=seed
        ) from error
    return whole if isinstance(seed, list | tuple) else whole[0]


def check_installed(module: str, need: str, extra: str, remedy: str = "") -> Any:
    """Return a module of an optional dependency.

    Args:
        module: Its name.
        need: What needs what.
        extra: The extra of qdiverge that installs it.
        remedy: What else there is to know or to do.

    Raises:
        MissingExtraError: it is not installed.

    >>> check_installed("math", "counting needs math", "none").floor(1.5)
    1
    """
    try:
        return import_module(module)
    except ImportError as error:
        install = f"Install it: pip install 'qdiverge[{extra}]'. {remedy}".rstrip()
        raise MissingExtraError(f"{need}, which is not installed", remedy=install) from error


def type_of(value: object) -> str:
    """Return what a thing is, without asking it.

    >>> type_of(0.5), type_of(3), type_of(float), type_of(None)
    ('a float', 'an int', 'the class float', 'None')
    """
    if value is None:
        return "None"
    if type(value) is type:
        return f"the class {value.__name__}"
    kind = type(value).__name__
    return f"{'an' if kind.startswith(VOWELS) else 'a'} {kind}"


def shown_as_code(value: object) -> str:
    """Return text in quotes, and anything else as an error shows it."""
    return repr(value) if type(value) is str else shown(value)
