"""The optimiser of PyTorch's inside what frameworks put around it: the one whose step runs."""

from typing import Any

from torch.optim import Optimizer

NAMES = ("optimizer", "optim", "_optimizer", "_optim")
METHODS = ("step", "zero_grad")  # a scheduler has the one, a network the other
OWN = ("param_groups", "state")  # what an optimiser keeps itself, and a wrapper passes on


def inner_optimizer(optimizer: Any) -> Any:
    """Return the optimiser inside a wrapper that keeps no groups and no state; others themselves.

    Wrappers of this kind: d3rlpy's and AgileRL's ``OptimizerWrapper``, Tianshou's, Accelerate's
    ``AcceleratedOptimizer``, Lightning's and Fabric's, which are instances of the class that they
    wrap. What has groups or state beside those inside, such as Lookahead's slow weights, makes a
    step of its own, and is left as it is.

    >>> from types import SimpleNamespace
    >>> import torch
    >>> sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    >>> wrapper = SimpleNamespace(optim=sgd, step=sgd.step, zero_grad=sgd.zero_grad)
    >>> inner_optimizer(wrapper) is sgd, inner_optimizer(sgd) is sgd
    (True, True)
    """
    for _ in range(8):  # wrappers of wrappers
        if (inner := _inside(optimizer)) is None:
            break
        optimizer = inner
    return optimizer


def _inside(wrapper: Any) -> Optimizer | None:
    own = getattr(wrapper, "__dict__", {})
    if any(name in own for name in OWN):
        return None
    try:
        if all(callable(getattr(wrapper, name, None)) for name in METHODS):
            found = (getattr(wrapper, name, None) for name in NAMES)
            return next((o for o in found if isinstance(o, Optimizer) and o is not wrapper), None)
    except Exception:  # of somebody's own object, it may be any
        return None
    return None
