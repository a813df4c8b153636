"""Hold an update of the caller's own to the copies that it is given: the run's stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.kernel.network import module_of
from qdiverge.rehearsal.learner import Original


@contextmanager
def left_alone(original: Original) -> Iterator[None]:
    """Put back what an update moved of the original, and say so.

    Raises:
        InvalidValueError: it moved parameters, buffers, gradients or the optimiser's state.
    """
    if original.update is None:  # ours moves copies alone
        yield
        return
    held = [(t, t._version, t.detach().clone()) for t in _tensors(original)]
    parameters = [p for group in original.optimizer.param_groups for p in group["params"]]
    gradients = [(p, p.grad) for p in parameters]
    known = set(original.optimizer.state)
    try:
        yield
    finally:
        moved = [
            (t, was) for t, version, was in held
            if t._version != version and not torch.equal(t, was)
        ]  # fmt: skip
        others = [(p, grad) for p, grad in gradients if p.grad is not grad]
        new = [p for p in original.optimizer.state if p not in known]
        with torch.no_grad():
            for t, was in moved:
                t.copy_(was)
        for p, grad in others:
            p.grad = grad
        for p in new:
            del original.optimizer.state[p]
    if moved or others or new:
        raise InvalidValueError(
            "update must move the copies that it is given",
            got="one that moved the run's own networks, gradients or optimiser, now put back",
            remedy="Use copies.networks, copies.targets, copies.optimizers and copies.others in "
            "it.",
        )


def _tensors(original: Original) -> list[Tensor]:
    """Return what is the run's: parameters, buffers, gradients, the optimiser's state."""
    actor = original.actor
    acting = () if actor is None else (module_of(actor.policy), module_of(actor.target))
    modules = [m for m in (*original.networks, *original.targets, *acting) if m is not None]
    own = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    own += [p.grad for p in own if p.grad is not None]
    states = original.optimizer.state.values()
    return own + [v for state in states for v in state.values() if isinstance(v, Tensor)]
