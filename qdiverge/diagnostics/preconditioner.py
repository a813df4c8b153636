"""What an optimiser does to a gradient, as far as the linear theory follows it."""

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from qdiverge.kernel.precondition import from_optimizer


def is_understood(optimizer: Optimizer) -> bool:
    """Tell whether the optimiser's M is known: SGD, Adam, AdamW and RMSprop."""
    if isinstance(optimizer, NAdam | RAdam):
        return False
    return type(optimizer) is SGD or isinstance(optimizer, Adam | AdamW | RMSprop)


def has_scales(optimizer: Optimizer, *modules: nn.Module) -> bool:
    """Tell whether the optimiser's M is known now: SGD's always, others' after their first step."""
    if not is_understood(optimizer):
        return False
    parameters = (p for module in modules for p in module.parameters())
    return type(optimizer) is SGD or any(optimizer.state.get(p) for p in parameters)


def largest_rate(optimizer: Optimizer, *modules: nn.Module) -> float:
    """Return the largest learning rate of a group that holds parameters of ``modules``."""
    own = {id(parameter) for module in modules for parameter in module.parameters()}
    groups = optimizer.param_groups
    return max(
        (float(g["lr"]) for g in groups if any(id(p) in own for p in g["params"])), default=0.0
    )


def step_scales(
    optimizer: Optimizer, module: nn.Module, *others: nn.Module
) -> dict[str, Tensor] | None:
    """Return M with Δθ = α M g for the largest α of the optimiser's groups; None where M = 1.

    A group with a lower rate has its M lowered alike. The largest is that of all groups that hold
    parameters of ``module`` or of ``others``, the critics beside it.

    >>> module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    >>> groups = [{"params": module[0].parameters()}, {"params": module[1].parameters(), "lr": 0.1}]
    >>> scales = step_scales(SGD(groups, lr=0.4), module)
    >>> [round(scale.item(), 6) for scale in scales.values()]
    [1.0, 0.25]
    """
    α, is_sgd = largest_rate(optimizer, module, *others), type(optimizer) is SGD
    rates = {id(p): float(g["lr"]) for g in optimizer.param_groups for p in g["params"]}
    trainable = {n: p for n, p in module.named_parameters() if p.requires_grad}
    held = {id(p): rates[id(p)] for p in trainable.values() if id(p) in rates}
    if is_sgd and set(held.values()) == {α} and len(held) == len(trainable):
        return None
    # a group that no gradient has come to yet has no second moments, and no M
    stepped = [n for n, p in trainable.items() if is_sgd or optimizer.state.get(p)]
    scales = {name: torch.zeros_like(p) for name, p in trainable.items()}
    for rate in {held[id(trainable[n])] for n in stepped or trainable if id(trainable[n]) in held}:
        group = {n: p for n, p in trainable.items() if held.get(id(p)) == rate}
        share = rate / α if α > 0 else 1.0
        scales |= {n: share * M for n, M in from_optimizer(optimizer, group).items()}
    return scales
