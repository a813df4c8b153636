"""The global random generators, which a measurement must leave as they were."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

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
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu_state = torch.get_rng_state()
    cuda_state = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        torch.set_rng_state(cpu_state)
        if cuda_state is not None:
            torch.cuda.set_rng_state(cuda_state, device)


def seed_torch(seed: int, device: torch.device = CPU) -> None:
    """Seed the generators in use; not all of CUDA's, whose states are not held."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
