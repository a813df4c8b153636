"""The global random states of Python, NumPy and PyTorch, ready for JSON."""

import base64
import random
from typing import Any

import numpy as np
import torch


def random_states(device: torch.device) -> dict[str, Any]:
    """Return the states, that of ``device`` among them; generators of the run's own are not seen.

    >>> states = random_states(torch.device("cpu"))
    >>> drawn = torch.rand(1), random.random()
    >>> restore_random_states(states)
    >>> drawn == (torch.rand(1), random.random())
    True
    """
    version, internal, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    states = {
        "python": [version, list(internal), gauss],
        "numpy": numpy_state,
        "torch": _encode(torch.get_rng_state()),
    }
    if device.type == "cuda":
        states["cuda"] = _encode(torch.cuda.get_rng_state(device))
    return states


def restore_random_states(states: dict[str, Any]) -> None:
    """Set the global random states; CUDA's on the present device, where there is one."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    numpy_state = states["numpy"]
    key = np.array(numpy_state["state"]["key"], dtype=np.uint32)
    np.random.set_state(  # noqa: NPY002
        numpy_state | {"state": numpy_state["state"] | {"key": key}}
    )
    torch.set_rng_state(_decode(states["torch"]))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(_decode(states["cuda"]))


def _encode(state: torch.Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _decode(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)
