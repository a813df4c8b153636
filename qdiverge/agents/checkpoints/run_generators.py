"""The random generators of a run, wherever its objects keep them, as JSON."""

import base64
from typing import Any

import numpy as np
import torch

from qdiverge.errors import CheckpointError

Generator = np.random.Generator | torch.Generator
OURS = "qdiverge."  # objects of these modules are looked into
RENAMED = {
    "policy._rng": "behaviour.policy._rng",
    "softmax._rng": "behaviour.softmax._rng",
}  # as runs of version 0.1 before behaviours had it


def find_generators(owner: object) -> dict[str, Generator]:
    """Return every generator in the attributes of ``owner``, and of qdiverge's objects among them.

    Returns:
        Path → generator, such as ``replay.priorities._rng``; each once.

    >>> from qdiverge.agents.discrete.policies import EpsilonGreedy
    >>> list(find_generators(EpsilonGreedy(num_actions=2, seed=0)))
    ['_rng']
    """
    generators: dict[str, Generator] = {}
    _collect(owner, "", generators, seen=set())
    return generators


def dump_generators(owner: object) -> dict[str, Any]:
    """Return the states of all generators of ``owner``, ready for JSON."""
    return {path: _dump(generator) for path, generator in find_generators(owner).items()}


def load_generators(owner: object, states: dict[str, Any]) -> None:
    """Put saved states into the generators of ``owner``.

    Raises:
        CheckpointError: these are other generators than those saved.
    """
    generators = find_generators(owner)
    states = {RENAMED.get(path, path): state for path, state in states.items()}
    if generators.keys() != states.keys():
        raise CheckpointError(
            f"the checkpoint must hold states of the generators {', '.join(generators)}",
            got=", ".join(states) or "none",
            remedy="Resume with the version that the run was begun with.",
        )
    for path, generator in generators.items():
        if isinstance(generator, torch.Generator):
            state = bytearray(base64.b64decode(states[path]["torch"]))
            generator.set_state(torch.frombuffer(state, dtype=torch.uint8))
        else:
            generator.bit_generator.state = states[path]


def _collect(owner: object, path: str, generators: dict[str, Generator], seen: set[int]) -> None:
    for name, value in vars(owner).items():
        if id(value) in seen:
            continue
        if isinstance(value, Generator):
            seen.add(id(value))
            generators[path + name] = value
        elif type(value).__module__.startswith(OURS) and hasattr(value, "__dict__"):
            seen.add(id(value))
            _collect(value, f"{path}{name}.", generators, seen)


def _dump(generator: Generator) -> Any:
    if isinstance(generator, torch.Generator):
        return {"torch": base64.b64encode(generator.get_state().numpy().tobytes()).decode()}
    return generator.bit_generator.state
