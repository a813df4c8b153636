"""What a function that draws batches draws by, and counts with, so that all of it is put back.

A replay has a generator of its own, an exponent that grows with every draw, a place in a shuffled
order: reached from the function by its closure, its globals, its ``self``. What it writes into the
lists and arrays that are there stays written.
"""

import functools
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from qdiverge.errors import InvalidValueError
from qdiverge.generators import Generator

DEEPEST = 4  # steps from the function
MOST_HELD = 64  # objects, nearest first
LARGEST = 64  # entries of a list or a dict that is no data
CLOSED = (
    type, types.ModuleType, types.BuiltinFunctionType, torch.Tensor, np.ndarray, torch.nn.Module,
    torch.optim.Optimizer, str, bytes, int, float, complex, bool, type(None),
)  # fmt: skip
ELSEWHERE = ("gymnasium.", "gym.", "torch.nn.", "torch.optim.", "numpy.", "qdiverge.")
Place = tuple[Any, Any]  # what holds a value, and its name there


@dataclass(frozen=True, eq=False)
class Reached:
    """What a function reaches.

    Attributes:
        generators: By which it may draw.
        holders: Dicts and cells of closures in which it may put another value; of a dict, the names
            that it may, None: all.

    >>> __name__, rng = "a_script", np.random.default_rng(0)
    >>> reached(lambda: rng.integers(3)).generators == (rng,)
    True
    """

    generators: tuple[Generator, ...]
    holders: tuple[tuple[Any, tuple[str, ...] | None], ...]

    def values(self) -> dict[tuple[int, Any], tuple[Place, Any]]:
        """Return what is held now, by place."""
        return {
            (id(holder), name): ((holder, name), value)
            for holder, names in self.holders
            for name, value in _entries(holder, names)
        }


NOTHING = Reached((), ())


def reached(function: Any) -> Reached:
    """Look what a function may draw by, or change.

    Raises:
        InvalidValueError: it goes on with an iterator of the run's, which nothing winds back.
    """
    generators: dict[int, Generator] = {}
    holders: list[tuple[Any, tuple[str, ...] | None]] = []
    if _is_closed(function):  # an adapter's own, which says by what it draws
        return NOTHING
    seen, layer = {id(function)}, [function]
    for depth in range(DEEPEST):
        following: list[Any] = []
        for thing in layer:
            if isinstance(thing, Generator):
                generators[id(thing)] = thing
                continue
            inside, own = _inside(thing)
            holders += own
            if depth == 0 and (found := next(filter(_is_spent, inside), None)) is not None:
                raise InvalidValueError(
                    "a function of data must draw anew at each call",
                    got=f"one that goes on with a {type(found).__name__} of the run's",
                    remedy="Nothing winds an iterator back: pass a function that makes its own, or "
                    "a list of batches.",
                )
            following += [x for x in inside if id(x) not in seen and not _is_closed(x)]
            seen |= set(map(id, inside))
        layer = following
    return Reached(tuple(generators.values()), tuple(holders[:MOST_HELD]))


class OwnValues:
    """Values of one's own: inside, they go on from where they were left inside.

    Args:
        reached: Where they are.

    >>> __name__ = "a_script"
    >>> class Replay:
    ...     draws = 0
    ...     def sample(self): self.draws += 1
    >>> replay = Replay()
    >>> own = OwnValues(reached(replay.sample))
    >>> with own: replay.sample()
    >>> with own: replay.sample(); replay.draws
    2
    >>> replay.draws
    0
    """

    def __init__(self, reached: Reached) -> None:
        self._reached = reached
        self._own: dict[tuple[int, Any], tuple[Place, Any]] = {}

    def __enter__(self) -> None:
        self._outer = self._reached.values()
        _put(self._own)
        self._before = self._outer | self._own

    def __exit__(self, *_: object) -> None:
        now = self._reached.values()
        for key, (place, value) in now.items():
            if key not in self._before or self._before[key][1] is not value:
                self._own[key] = (place, value)
        for key, (place, _) in self._own.items():
            if key not in self._outer:  # made by the draw, in a dict
                del place[0][place[1]]
        _put({key: self._outer[key] for key in self._own if key in self._outer})


def _inside(thing: Any) -> tuple[list[Any], list[tuple[Any, tuple[str, ...] | None]]]:
    """Return what a thing holds, and where it holds it."""
    if isinstance(thing, functools.partial):
        return [thing.func, *thing.args, *thing.keywords.values()], []
    if isinstance(thing, types.MethodType):
        return [thing.__self__, thing.__func__], []
    if isinstance(thing, types.FunctionType):
        cells = [cell for cell in thing.__closure__ or () if not _is_empty(cell)]
        names = tuple(name for name in _names(thing.__code__) if name in thing.__globals__)
        inside = [cell.cell_contents for cell in cells] + [thing.__globals__[n] for n in names]
        return inside, [*((cell, None) for cell in cells), (thing.__globals__, names)]
    if isinstance(thing, dict | list | tuple):
        if len(thing) > LARGEST:
            return [], []
        inside = list(thing.values()) if isinstance(thing, dict) else list(thing)
        return inside, [(thing, None)] if isinstance(thing, dict) else []
    own = getattr(thing, "__dict__", None)
    calls = [type(thing).__call__] if callable(thing) else []
    return ([*own.values(), *calls], [(own, None)]) if isinstance(own, dict) else (calls, [])


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the global names of a function, and of those in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _is_closed(thing: Any) -> bool:
    if isinstance(thing, Generator):
        return False
    kind = thing.__func__ if isinstance(thing, types.MethodType) else type(thing)
    if isinstance(thing, types.FunctionType):
        kind = thing
    is_elsewhere = str(getattr(kind, "__module__", "")).startswith(ELSEWHERE)
    return isinstance(thing, CLOSED) or is_elsewhere


def _is_spent(thing: Any) -> bool:
    """Return whether a thing goes on from where it was left: an iterator, or what yields."""
    return isinstance(thing, types.GeneratorType) or (
        isinstance(thing, Iterator) and type(thing).__module__ in ("builtins", "itertools")
    )


def _is_empty(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


def _entries(holder: Any, names: tuple[str, ...] | None) -> list[tuple[Any, Any]]:
    if isinstance(holder, types.CellType):
        return [(None, holder.cell_contents)]
    return list(holder.items()) if names is None else [(n, holder[n]) for n in names if n in holder]


def _put(values: dict[tuple[int, Any], tuple[Place, Any]]) -> None:
    for (holder, name), value in values.values():
        if isinstance(holder, types.CellType):
            holder.cell_contents = value
        else:
            holder[name] = value
