"""What a network keeps of its own beside its parameters: hidden states, counters, generators.

It is walked before a measurement and put back in place after it: attributes of the modules, what
lists, dicts and plain objects in them hold, tensors, arrays, and the states of generators.
Iterators cannot be wound back: copies of them stand in their places meanwhile, and where one cannot
be copied, such as a function that yields, the network is refused.
"""

import collections
import copy
import io
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qdiverge.errors import InvalidValueError, UnsupportedNetworkError
from qdiverge.generators import Generator, is_same_state, set_state, state_of
from qdiverge.kernel.slots import Slots

LARGEST = 1 << 20  # entries of a tensor or an array; what is larger is no state, but data
MOST_THINGS = 2_000  # that are walked; what holds more is no network, but a program
OF_TORCH = frozenset(vars(nn.Module()))  # attributes that every module has
PLAIN = (int, float, complex, str, bytes, type(None), type, types.ModuleType, types.FunctionType,
         torch.dtype, torch.device, torch.Size, np.generic, np.dtype, nn.Module,
         torch.optim.Optimizer, nn.Parameter)  # fmt: skip
USUAL = frozenset({bool, int, float, str, type(None), tuple, list, dict, set, Tensor, nn.Parameter,
                   collections.OrderedDict})  # fmt: skip
INERT = ("gymnasium.spaces", "gym.spaces")  # whose generators no forward pass draws from
PutBack = Callable[[], bool]  # whether there was anything to be put back


@contextmanager
def same_own_state(modules: Iterable[nn.Module]) -> Iterator[list[bool]]:
    """Put back what forward passes change in the modules, parameters and buffers excepted.

    Yields:
        A list, which afterwards holds for each thing whether it had to be put back.

    >>> class Counts(nn.Module):
    ...     calls, seen = 0, []
    ...     def forward(self, x):
    ...         self.calls += 1; self.seen.append(x)
    >>> net = Counts(); net.seen = []
    >>> with same_own_state([net]) as changed: net(1)
    >>> net.calls, net.seen, any(changed)
    (0, [], True)
    """
    before: list[PutBack] = []
    changed: list[bool] = []
    try:
        for module in modules:
            before.extend(_of_module(module))
        yield changed
    finally:
        changed += [put_back() for put_back in before]


def has_own_state(module: nn.Module) -> bool:
    """Return whether an attribute of a module is anything but a plain constant.

    >>> has_own_state(nn.Linear(1, 1))
    False
    """
    return any(
        not _is_plain(value) for part in module.modules() for value in _attributes(part).values()
    )


def _of_module(module: nn.Module) -> Iterator[PutBack]:
    attributes = vars(module)
    yield _rebinding(attributes)
    if not _is_of_torch(module):  # whose classes declare no slots
        yield from _of_slots(module, set())
    for name in ("_buffers", "_parameters"):
        if isinstance(registry := attributes.get(name), dict):  # of a scripted module it is none
            check_made(registry)
            yield _rebinding(registry)
    seen: set[int] = set()
    for value in _attributes(module).values():
        yield from _of_value(value, seen)


def check_made(named: Mapping[str, Tensor | None]) -> None:
    """Raise an InvalidValueError where a first forward pass makes something: none undoes that."""
    for name, value in named.items():
        if value is not None and is_lazy(value):
            raise InvalidValueError(
                "every parameter must be initialised",
                got=f"{name}, which is lazy",
                remedy="Run one forward pass first.",
            )


def _attributes(module: nn.Module) -> dict[str, Any]:
    """Return what a class of its own may keep; PyTorch's keep buffers alone."""
    if _is_of_torch(module):
        return {}
    return {name: value for name, value in vars(module).items() if name not in OF_TORCH}


def _is_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.")


def has_more_than_torchs(module: nn.Module) -> bool:
    """Return whether a module is of a class of its own, or holds an iterator.

    >>> has_more_than_torchs(nn.Linear(1, 1))
    False
    """
    return not _is_of_torch(module) or any(map(_is_iterator, vars(module).values()))


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | frozenset):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN) or type(value).__module__.startswith(INERT)


def _of_value(value: Any, seen: set[int]) -> Iterator[PutBack]:
    """Yield what puts back a value's content, and all that it holds."""
    if _is_plain(value) or id(value) in seen or len(seen) > MOST_THINGS:
        return
    seen.add(id(value))
    if (put_back := _own(value)) is not None:
        yield put_back
        return
    for held in _held_by(value):
        yield from _of_value(held, seen)
    if isinstance(value, MutableMapping):
        yield _rebinding(value)
    elif isinstance(value, list | collections.deque):
        yield _refilling(value, list(value), lambda things: value.extend(things))
    elif isinstance(value, set):
        yield _refilling(value, list(value), lambda things: value.update(things))
    else:
        if (attributes := getattr(value, "__dict__", None)) is not None:
            yield _rebinding(attributes)
        yield from _of_slots(value, seen)


def _of_slots(value: Any, seen: set[int]) -> Iterator[PutBack]:
    """Yield what puts back the attributes that a class keeps in ``__slots__``."""
    slots = Slots(value)
    for held in list(slots.values()):
        yield from _of_value(held, seen)
    if slots:
        yield _rebinding(slots)


def _held_by(value: Any) -> list[Any]:
    if isinstance(value, MutableMapping):
        return list(value.values())
    if isinstance(value, list | collections.deque | set | tuple | frozenset):
        return list(value)
    owner = getattr(value, "__self__", None)  # of a bound method, such as generator.random
    held = [] if owner is None else [owner]
    return held + list(getattr(value, "__dict__", {}).values())


def _own(value: Any) -> PutBack | None:
    """Return what puts back the numbers of a tensor, an array or a generator; None: it is none."""
    if isinstance(value, Tensor):
        return _of_tensor(value)
    if isinstance(value, np.ndarray):
        return _of_array(value)
    if isinstance(value, np.random.BitGenerator):
        return _of_generator(np.random.Generator(value))
    return _of_generator(value) if isinstance(value, Generator) else None


def _of_generator(generator: Generator) -> PutBack:
    state = state_of(generator)
    return _unless(
        lambda: is_same_state(state, state_of(generator)), lambda: set_state(generator, state)
    )


def _of_tensor(tensor: Tensor) -> PutBack:
    if tensor.numel() > LARGEST or tensor.layout is not torch.strided:
        return lambda: False
    content, version = tensor.detach().clone(), tensor._version if not tensor.is_inference() else 0

    def is_same() -> bool:
        is_untouched = tensor.is_inference() or tensor._version == version
        return is_untouched and torch.equal(tensor.detach(), content)

    return _unless(is_same, torch.no_grad()(lambda: tensor.detach().copy_(content)))


def _of_array(array: np.ndarray) -> PutBack:
    if array.size > LARGEST or not array.flags.writeable:
        return lambda: False
    content = array.copy()
    return _unless(lambda: array.tobytes() == content.tobytes(), lambda: np.copyto(array, content))


def _rebinding(mapping: MutableMapping[Any, Any]) -> PutBack:
    """Return what gives a mapping its present entries back, where they are others by then."""
    entries = dict(mapping)
    mapping.update({k: _twin_of(v, str(k)) for k, v in entries.items() if _is_iterator(v)})

    def is_same() -> bool:
        return list(mapping) == list(entries) and all(mapping[k] is entries[k] for k in entries)

    def rebind() -> None:
        for key in [key for key in mapping if key not in entries]:
            del mapping[key]
        for key, value in entries.items():
            mapping[key] = value

    return _unless(is_same, rebind)


def _refilling(holder: Any, things: list[Any], fill: Callable[[list[Any]], object]) -> PutBack:
    """Return what fills a list, deque or set with its present things, where it holds others."""
    if any(map(_is_iterator, things)):
        twins = [_twin_of(x, "a list's entry") if _is_iterator(x) else x for x in things]
        holder.clear()
        fill(twins)

    def refill() -> None:
        holder.clear()
        fill(things)

    return _unless(lambda: list(map(id, holder)) == list(map(id, things)), refill)


def _is_iterator(value: Any) -> bool:
    """Return whether a value moves on when asked, and keeps to itself where it is."""
    if type(value) in USUAL:
        return False
    is_one = isinstance(value, collections.abc.Iterator) and not isinstance(value, io.IOBase)
    return is_one and not hasattr(value, "__dict__")


def _twin_of(iterator: Any, name: str) -> Any:
    try:
        return copy.deepcopy(iterator)
    except Exception as error:
        raise UnsupportedNetworkError(
            "what q_net keeps must be what a look at it can put back",
            got=f"{name}, a {type(iterator).__name__}, which cannot be copied",
            remedy="Keep a number or a list in its place, or a class with __next__.",
        ) from error


def _unless(is_same: Callable[[], bool], put_back: Callable[[], object]) -> PutBack:
    """Return what puts something back unless it is the same, and says whether it did."""

    def put_back_where_changed() -> bool:
        if is_same():
            return False
        put_back()
        return True

    return put_back_where_changed
