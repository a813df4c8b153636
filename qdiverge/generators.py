"""The global random generators, which a measurement must leave as they were."""

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

CPU = torch.device("cpu")


Generator = torch.Generator | np.random.Generator | np.random.RandomState | random.Random


@contextmanager
def same_generators(device: torch.device = CPU, others: Sequence[Generator] = ()) -> Iterator[None]:
    """Restore the states of Python, NumPy and PyTorch afterwards, of ``device`` and others too.

    >>> with same_generators():
    ...     first = torch.rand(1)
    >>> torch.equal(first, torch.rand(1))
    True
    """
    states, other_states = global_states(device), [state_of(other) for other in others]
    try:
        yield
    finally:
        set_global_states(states, device)
        for other, state in zip(others, other_states, strict=True):
            set_state(other, state)


class OwnGenerators:
    """Global generators of one's own: inside, they go on from where they were left inside.

    Args:
        seed: Where they begin; None: where the global ones are.
        device: Whose generator is among them.
        others: Further ones, such as a replay's own.

    >>> own, torch_state = OwnGenerators(0), torch.get_rng_state()
    >>> with own:
    ...     first = torch.rand(1)
    >>> with own:
    ...     second = torch.rand(1)
    >>> torch.equal(first, second), torch.equal(torch_state, torch.get_rng_state())
    (False, True)
    """

    def __init__(
        self, seed: int | None, device: torch.device = CPU, others: Sequence[Generator] = ()
    ) -> None:
        self._device, self._others = device, tuple(others)
        with same_generators(device, self._others):
            if seed is not None:
                random.seed(seed)
                np.random.seed(seed)  # noqa: NPY002
                seed_torch(seed, device)
                for other in self._others:
                    seed_one(other, seed)
            self._own = self._states()

    def __enter__(self) -> None:
        self._outer = self._states()
        self._set(self._own)

    def __exit__(self, *_: object) -> None:
        self._own = self._states()
        self._set(self._outer)

    def _states(self) -> tuple[Any, list[Any]]:
        return global_states(self._device), [state_of(other) for other in self._others]

    def _set(self, states: tuple[Any, list[Any]]) -> None:
        set_global_states(states[0], self._device)
        for other, state in zip(self._others, states[1], strict=True):
            set_state(other, state)


def state_of(generator: Generator) -> Any:
    """Return the state of one generator, for ``set_state``.

    >>> rng = np.random.default_rng(0)
    >>> state, first = state_of(rng), rng.random()
    >>> set_state(rng, state)
    >>> rng.random() == first
    True
    """
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        state = generator.bit_generator.state
        is_numpys = type(generator.bit_generator).__module__.startswith("numpy.random")
        return state if is_numpys else copy.deepcopy(state)  # NumPy's is made anew at each look
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.getstate()


def set_state(generator: Generator, state: Any) -> None:
    """Put back what ``state_of`` returned."""
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)


def seed_one(generator: Generator, seed: int) -> None:
    """Let a generator begin at a seed."""
    if isinstance(generator, torch.Generator):
        generator.manual_seed(seed)
    elif isinstance(generator, np.random.Generator):
        kind: Any = type(generator.bit_generator)
        generator.bit_generator.state = kind(seed).state
    else:
        generator.seed(seed)


def seed_torch(seed: int, device: torch.device = CPU) -> None:
    """Seed the generators in use; not all of CUDA's, whose states are not held."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


def global_states(device: torch.device) -> tuple[Any, ...]:
    """Return the states of Python, NumPy, PyTorch, and of ``device`` if it is a GPU, else None."""
    on_device = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    numpys = np.random.get_state(legacy=False)  # noqa: NPY002
    return random.getstate(), numpys, torch.get_rng_state(), on_device


def same_states(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether two answers of ``global_states`` are the same.

    >>> before = global_states(CPU)
    >>> same_states(before, global_states(CPU))
    True
    """
    return all(map(is_same_state, one, other))


def is_same_state(one: Any, other: Any) -> bool:
    """Return whether two answers of ``state_of`` for one generator are the same.

    >>> rng = np.random.default_rng(0)
    >>> state = state_of(rng)
    >>> is_same_state(state, state_of(rng)), rng.random() < 1, is_same_state(state, state_of(rng))
    (True, True, False)
    """
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same_state(one[k], other[k]) for k in one)
    return bool(one == other)


def check_twister(state: Mapping[str, Any]) -> None:
    """Refuse a state of NumPy's Mersenne twister that leads out of its 624 numbers.

    NumPy takes any position, and reads memory there, whatever it is.

    Raises:
        ValueError: it does.

    >>> state = np.random.RandomState(0).get_state(legacy=False)
    >>> check_twister(state)
    >>> state["state"]["pos"] = 625
    >>> check_twister(state)
    Traceback (most recent call last):
    ValueError: the position 625 in a generator of 624 numbers
    """
    key, position = state["state"]["key"], state["state"]["pos"]
    if type(position) is not int or not 0 <= position <= len(key):
        raise ValueError(f"the position {position} in a generator of {len(key)} numbers")


def set_global_states(states: tuple[Any, ...], device: torch.device) -> None:
    """Put back what ``global_states`` returned.

    Raises:
        ValueError, or another of the like: it is something else.
    """
    pythons, numpys, torchs, on_device = states
    check_twister(numpys)
    random.setstate(pythons)
    np.random.set_state(numpys)  # noqa: NPY002
    torch.set_rng_state(torchs)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
