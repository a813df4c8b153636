"""What a function draws by, counts with and writes into, so that all of it is put back.

A replay has a generator of its own, an exponent that grows with every draw, a place in a shuffled
order, arrays that it fills with a batch: reached from the function by its closure, its globals, its
``self``. So has an update its count.
"""

import functools
import types
from collections import deque
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
LARGEST_HELD = 2**17  # numbers of an array, or entries of a list, that is no replay
CLOSED = (
    type, types.ModuleType, types.BuiltinFunctionType, torch.Tensor, np.ndarray, torch.nn.Module,
    torch.optim.Optimizer, str, bytes, int, float, complex, bool, type(None),
)  # fmt: skip
ELSEWHERE = ("gymnasium.", "gym.", "torch.nn.", "torch.optim.", "numpy.", "qdiverge.")
LEARNING = (torch.nn.Module, torch.optim.Optimizer)
Holder = tuple[Any, tuple[str, ...] | None]


@dataclass(frozen=True, eq=False)
class Reached:
    """What functions reach.

    Attributes:
        generators: By which they may draw.
        holders: Dicts and cells of closures in which they may put another value; of a dict, the
            names that they may, None: all.
        contents: Lists, sets, arrays and tensors that they may write into, but for large ones.
        learning: Modules, optimisers and tensors that learn, which are the run's own.

    >>> __name__, rng = "a_script", np.random.default_rng(0)
    >>> reached(lambda: rng.integers(3)).generators == (rng,)
    True
    """

    generators: tuple[Generator, ...] = ()
    holders: tuple[Holder, ...] = ()
    contents: tuple[Any, ...] = ()
    learning: tuple[Any, ...] = ()


NOTHING = Reached()


def reached(*functions: Any, name: str = "a function of data") -> Reached:
    """Look what functions may draw by, or change; what is ours or nothing reaches nothing.

    Args:
        functions: An adapter's own says by what it draws.
        name: Of them, in errors.

    Raises:
        InvalidValueError: one goes on with an iterator of the run's, which nothing winds back.
    """
    layer = [function for function in functions if not _is_closed(function)]
    generators: dict[int, Generator] = {}
    holders: list[Holder] = []
    contents: dict[int, Any] = {}
    learning: dict[int, Any] = {}
    seen = set(map(id, layer))
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
                    f"{name} must begin anew at each call",
                    got=f"one that goes on with a {type(found).__name__} of the run's",
                    remedy="Nothing winds an iterator back: pass a function that makes its own, or "
                    "counts; or of data a list of batches.",
                )
            contents |= {id(x): x for x in inside if _is_held(x)}
            learning |= {id(x): x for x in inside if _is_learning(x)}
            following += [x for x in inside if id(x) not in seen and not _is_closed(x)]
            seen |= set(map(id, inside))
        layer = following
    nearest = tuple(list(contents.values())[:MOST_HELD])
    own_generators, learns = tuple(generators.values()), tuple(learning.values())
    return Reached(own_generators, tuple(holders[:MOST_HELD]), nearest, learns)


def _is_learning(thing: Any) -> bool:
    return isinstance(thing, LEARNING) or (isinstance(thing, torch.Tensor) and thing.requires_grad)


def _is_held(thing: Any) -> bool:
    """Return whether what is written into a thing is to be put back: it is small enough."""
    if isinstance(thing, torch.Tensor):
        is_plain = thing.layout is torch.strided and not thing.is_inference()
        return not thing.requires_grad and is_plain and thing.numel() <= LARGEST_HELD
    if isinstance(thing, np.ndarray):
        is_plain = thing.flags.writeable and not thing.dtype.hasobject
        return is_plain and thing.size <= LARGEST_HELD
    return isinstance(thing, list | deque | set) and len(thing) <= LARGEST_HELD


def _inside(thing: Any) -> tuple[list[Any], list[Holder]]:
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
    if isinstance(thing, dict | list | tuple | deque):
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
