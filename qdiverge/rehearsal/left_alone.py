"""Hold the caller's own functions to the copies that they are given: the run's stays as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidValueError
from qdiverge.kernel.network import module_of
from qdiverge.rehearsal.learner import Original, reached_by


@contextmanager
def left_alone(original: Original) -> Iterator[None]:
    """Put back what an update, or a policy that is no module, moved of the run, and say so.

    Raises:
        InvalidValueError: it moved parameters, buffers, gradients or optimisers' state, of what was
            passed in or of what it reaches.
    """
    found = reached_by(original).learning
    if original.update is None and not found:  # ours moves copies alone
        yield
        return
    actor = original.actor
    acting = () if actor is None else (module_of(actor.policy), module_of(actor.target))
    ours = (*original.networks, *original.targets, *acting, *original.others, *found)
    modules = [each for each in ours if isinstance(each, nn.Module)]
    steppers = (original.optimizer, None if actor is None else actor.optimizer, *ours)
    optimizers = [each for each in steppers if isinstance(each, torch.optim.Optimizer)]
    states = list({id(each): each.state for each in optimizers}.values())
    own = [t for m in modules for t in (*m.parameters(), *m.buffers())]
    own += [t for t in ours if isinstance(t, Tensor)]
    own += [p for each in optimizers for group in each.param_groups for p in group["params"]]
    own = list({id(t): t for t in own}.values())
    of_states = [v for state in states for entries in state.values() for v in entries.values()]
    held = [*own, *(p.grad for p in own if p.grad is not None)]
    held += [v for v in of_states if isinstance(v, Tensor)]
    before = [(t, t._version, t.detach().clone()) for t in {id(t): t for t in held}.values()]
    gradients = [(p, p.grad) for p in own]
    known = [(state, set(state)) for state in states]
    try:
        yield
    finally:
        moved = [
            (t, was) for t, version, was in before
            if t._version != version and not torch.equal(t, was)
        ]  # fmt: skip
        others = [(p, grad) for p, grad in gradients if p.grad is not grad]
        new = [(state, p) for state, keys in known for p in state if p not in keys]
        with torch.no_grad():
            for t, was in moved:
                t.copy_(was)
        for p, grad in others:
            p.grad = grad
        for state, p in new:
            del state[p]
    if moved or others or new:
        raise InvalidValueError(
            "a function must move the copies that it is given",
            got="one that moved the run's own networks, gradients or optimiser, now put back",
            remedy="In update use copies.networks, copies.targets, copies.optimizers and "
            "copies.others; as a policy pass the module itself.",
        )
