"""The step that the optimiser itself would make, and the one that the linear map makes of it."""

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer, RMSprop

from qdiverge.calling import own_errors
from qdiverge.theory.descent import Descent

Step = dict[str, Tensor]  # parameter → Δθ


def real_step(
    module: nn.Module,
    optimizer: Optimizer,
    gradients: Mapping[str, Tensor],
    learning_rate: float | None = None,
) -> Step:
    """Return Δθ of the optimiser's own next step, made on copies.

    Args:
        module: Its parameters are read by their names.
        optimizer: A copy of its groups and of its state steps; it is left untouched.
        gradients: By parameter, of the loss that it descends; a parameter without one stays.
        learning_rate: Of the group with the largest, the others' in proportion; None: as they are.

    >>> module = nn.Linear(1, 1, bias=False)
    >>> sgd = torch.optim.SGD(module.parameters(), lr=0.5, momentum=0.9)
    >>> real_step(module, sgd, {"weight": torch.tensor([[2.0]])})["weight"].item()
    -1.0
    """
    named = {n: p for n, p in module.named_parameters() if p.requires_grad}
    copies = {id(p): nn.Parameter(p.detach().clone()) for p in named.values()}
    for name, p in named.items():
        if name in gradients:
            copies[id(p)].grad = gradients[name].detach().clone()
    groups = []
    for group in optimizer.param_groups:
        own = [copies[id(p)] for p in group["params"] if id(p) in copies]
        if own:
            groups.append({k: v for k, v in group.items() if k != "params"} | {"params": own})
    if learning_rate is not None:
        largest = max(float(group["lr"]) for group in groups)
        for group in groups:
            group["lr"] = learning_rate * (float(group["lr"]) / largest if largest else 1.0)
    twin: Any = copy.copy(optimizer)  # without hooks, and past a constructor of its own
    twin.param_groups, twin.state = groups, defaultdict(dict)
    for p in named.values():
        if p in optimizer.state:
            twin.state[copies[id(p)]] = copy.deepcopy(optimizer.state[p])
    with own_errors("a copy of optimizer", *copies.values()):
        twin.step()
    return {name: copies[id(p)].detach() - p.detach() for name, p in named.items()}


def linear_step(
    module: nn.Module,
    descent: Descent,
    ascent: Mapping[str, Tensor],
    scales: Mapping[str, Tensor] | None = None,
    optimizer: Optimizer | None = None,
    slope: float = 1.0,
) -> Step:
    """Return Δθ = α M (a g + b v) − decay: the step of the linear map, second moments frozen.

    Adam's bias correction, which the map leaves out since it fades, is in it.

    Args:
        module: θ.
        descent: α, a, b and the decay.
        ascent: g, the direction in which ½ Σ ρ_i δ_i² falls, by parameter.
        scales: M; None: 1.
        optimizer: Whose velocity v is; None: 0.
        slope: α over its learning rate; its velocity is that of the loss itself, slope times g's.

    >>> module = nn.Linear(1, 1, bias=False)
    >>> step = linear_step(module, Descent(0.5, momentum=0.9), {"weight": torch.tensor([[2.0]])})
    >>> step["weight"].item()
    1.0
    """
    steps = Step()
    for name, p in module.named_parameters():
        if not p.requires_grad:
            continue
        α = descent.learning_rate / _bias(optimizer, p, descent)
        M = 1.0 if scales is None else scales[name]
        g = ascent[name] if name in ascent else torch.zeros_like(p)
        moved = α * descent.direct * M * (g - descent.coupled_decay * p.detach())
        if descent.carried and optimizer is not None:
            moved = moved + α / slope * descent.carried * velocity_of(optimizer, p, M)
        steps[name] = moved - descent.learning_rate * descent.decay * p.detach()
    return steps


def _bias(optimizer: Optimizer | None, parameter: nn.Parameter, descent: Descent) -> float:
    """Return 1 − β₁ᵗ of Adam's next step, by which it divides its average; else 1."""
    state = {} if optimizer is None else optimizer.state.get(parameter, {})
    if "exp_avg" not in state:
        return 1.0
    bias: float = 1 - descent.momentum ** (float(state["step"]) + 1)
    return bias


def velocity_of(optimizer: Optimizer, parameter: nn.Parameter, M: Tensor | float) -> Tensor:
    """Return M v, downhill; RMSprop's velocity is preconditioned already."""
    state = optimizer.state.get(parameter, {})
    v = state.get("exp_avg", state.get("momentum_buffer"))
    if v is None:
        return torch.zeros_like(parameter)
    return -v if isinstance(optimizer, RMSprop) else -M * v
