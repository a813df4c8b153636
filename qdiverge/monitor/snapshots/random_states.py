"""The global random states of Python, NumPy and PyTorch, ready for JSON."""

import base64
from typing import Any

import numpy as np
import torch

from qdiverge.generators import global_states, set_global_states


def random_states(device: torch.device) -> dict[str, Any]:
    """Return the states, that of ``device`` among them; generators of the run's own are not seen.

    >>> import random
    >>> states = random_states(torch.device("cpu"))
    >>> drawn = torch.rand(1), random.random()
    >>> restore_random_states(states)
    >>> drawn == (torch.rand(1), random.random())
    True
    """
    (version, internal, gauss), of_numpy, of_torch, of_cuda = global_states(device)
    of_numpy["state"]["key"] = of_numpy["state"]["key"].tolist()
    states = {
        "python": [version, list(internal), gauss],
        "numpy": of_numpy,
        "torch": _encode(of_torch),
    }
    return states if of_cuda is None else states | {"cuda": _encode(of_cuda)}


def restore_random_states(states: dict[str, Any]) -> None:
    """Set the global random states; CUDA's on the present device, where there is one."""
    version, internal, gauss = states["python"]
    of_numpy = states["numpy"]
    key = np.array(of_numpy["state"]["key"], dtype=np.uint32)
    has_cuda = "cuda" in states and torch.cuda.is_available()
    restored = (
        (version, tuple(internal), gauss),
        of_numpy | {"state": of_numpy["state"] | {"key": key}},
        _decode(states["torch"]),
        _decode(states["cuda"]) if has_cuda else None,
    )
    set_global_states(restored, torch.device("cuda" if has_cuda else "cpu"))


def _encode(state: torch.Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _decode(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
