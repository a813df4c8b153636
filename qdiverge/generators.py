"""The global random generators, which a measurement must leave as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

CPU = torch.device("cpu")


@contextmanager
def same_generators(device: torch.device = CPU) -> Iterator[None]:
    """Restore the states of Python, NumPy and PyTorch afterwards, that of ``device`` too.

    >>> with same_generators():
    ...     first = torch.rand(1)
    >>> torch.equal(first, torch.rand(1))
    True
    """
    states = global_states(device)
    try:
        yield
    finally:
        set_global_states(states, device)


class OwnGenerators:
    """Global generators of one's own: inside, they go on from where they were left inside.

    Args:
        seed: Where they begin; None: where the global ones are.
        device: Whose generator is among them.

    >>> own, torch_state = OwnGenerators(0), torch.get_rng_state()
    >>> with own:
    ...     first = torch.rand(1)
    >>> with own:
    ...     second = torch.rand(1)
    >>> torch.equal(first, second), torch.equal(torch_state, torch.get_rng_state())
    (False, True)
    """

    def __init__(self, seed: int | None, device: torch.device = CPU) -> None:
        self._device = device
        with same_generators(device):
            if seed is not None:
                random.seed(seed)
                np.random.seed(seed)  # noqa: NPY002
                seed_torch(seed, device)
            self._own = global_states(device)

    def __enter__(self) -> None:
        self._outer = global_states(self._device)
        set_global_states(self._own, self._device)

    def __exit__(self, *_: object) -> None:
        self._own = global_states(self._device)
        set_global_states(self._outer, self._device)


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
    (pythons, numpys, torchs, on_device), (pythons_2, numpys_2, torchs_2, on_device_2) = one, other
    return (
        pythons == pythons_2
        and _numbers(numpys) == _numbers(numpys_2)
        and torch.equal(torchs, torchs_2)
        and (on_device is None or torch.equal(on_device, on_device_2))
    )


def _numbers(numpys: dict[str, Any]) -> tuple[Any, ...]:
    words = numpys["state"]
    return words["key"].tobytes(), words["pos"], numpys["has_gauss"], numpys["gauss"]


def set_global_states(states: tuple[Any, ...], device: torch.device) -> None:
    """Put back what ``global_states`` returned."""
    pythons, numpys, torchs, on_device = states
    random.setstate(pythons)
    np.random.set_state(numpys)  # noqa: NPY002
    torch.set_rng_state(torchs)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
