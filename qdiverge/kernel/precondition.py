"""The diagonal preconditioner M of K = J M Jᵀ, given by name or read from a live optimiser.

Adam and AdamW: M = 1 / (√(v / (1 − β₂ᵗ)) + ε). RMSProp: M = 1 / (√v + ε), v − ḡ² where centred.
SGD: M = 1. Momentum is left out: M is the map from a gradient to the step of this very update.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, RMSprop

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.kernel.network import Network
from qdiverge.tensor_checks import check_optimizer, check_tensor

Preconditioner = Mapping[str, Tensor] | Optimizer


def read_preconditioner(
    preconditioner: Preconditioner | None, network: Network, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Return M for every trainable parameter of ``network``; empty where there is none.

    Raises:
        InvalidTypeError: it is neither a dict of tensors nor an optimiser that is known.
        InvalidValueError: an entry is missing, of a wrong shape, negative or not finite.
    """
    if preconditioner is None:
        return {}
    named = dict(network.module.named_parameters())
    preconditioner = inner_optimizer(preconditioner)
    if isinstance(preconditioner, Optimizer):
        scales = from_optimizer(preconditioner, {n: named[n] for n in network.params})
    elif isinstance(preconditioner, Mapping):
        scales = _from_dict(preconditioner, network)
    else:
        raise InvalidTypeError(
            "preconditioner must be a dict of tensors or an optimiser",
            got=type(preconditioner).__name__,
        )
    for name, scale in scales.items():
        check_tensor(f"the preconditioner of {name}", scale)
        if scale.shape != network.params[name].shape:
            raise InvalidValueError(
                f"the preconditioner of {name} must have shape {list(network.params[name].shape)}",
                got=list(scale.shape),
            )
        if not bool((torch.isfinite(scale) & (scale >= 0)).all()):
            raise InvalidValueError(f"the preconditioner of {name} must be finite and ≥ 0")
    return {n: s.detach().to(network.params[n].device, dtype) for n, s in scales.items()}


def from_optimizer(
    optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """Return M = −∂step/∂gradient · 1/α with the second moments as they are.

    A parameter that the optimiser does not hold, or has never stepped, keeps M = 0.

    >>> weight = nn.Parameter(torch.tensor([2.0]))
    >>> adam = torch.optim.Adam([weight], eps=0.0)
    >>> weight.square().sum().backward()  # a gradient of 4
    >>> adam.step()
    >>> {name: round(m.item(), 4) for name, m in from_optimizer(adam, {"w": weight}).items()}
    {'w': 0.25}
    """
    own = own_groups(optimizer, parameters.values())
    groups = {id(p): group for group in own for p in group["params"]}
    optimised = {name: p for name, p in parameters.items() if id(p) in groups}
    rates = {float(groups[id(p)]["lr"]) for p in optimised.values()}
    if len(rates) > 1:
        raise InvalidValueError(
            "the optimiser must have one learning rate for q_net",
            got=sorted(rates),
            remedy="Pass a dict name → M, each M scaled by its group's learning rate.",
        )
    scales = {name: torch.zeros_like(p) for name, p in parameters.items()}
    stepped = 0
    for name, p in optimised.items():
        state = optimizer.state.get(p, {})
        if type(optimizer) is SGD:
            scales[name], stepped = torch.ones_like(p), stepped + 1
        elif state:
            scales[name], stepped = _scale(optimizer, groups[id(p)], state), stepped + 1
    if stepped == 0:
        raise InvalidValueError(
            "the optimiser must have second moments",
            got="none yet",
            remedy="Take at least one optimiser step first.",
        )
    return scales


def own_groups(optimizer: Optimizer, parameters: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Return the groups of an optimiser that hold some of the parameters.

    Raises:
        InvalidTypeError: it is no optimiser.
        InvalidValueError: none does, or a learning rate is out of range.
    """
    own = {id(p) for p in parameters}
    groups = check_optimizer("optimizer", optimizer).param_groups
    if held := [group for group in groups if any(id(p) in own for p in group["params"])]:
        return held
    raise InvalidValueError(
        "the optimiser must hold parameters of q_net",
        got="none of them",
        remedy="Pass the optimiser that trains this very module.",
    )


def _scale(optimizer: Optimizer, group: dict, state: dict) -> Tensor:
    if isinstance(optimizer, RMSprop):
        moment = state["square_avg"]
        if group["centered"]:
            moment = moment - state["grad_avg"].square()
        return 1 / (moment.clamp_min(0).sqrt() + group["eps"])
    if isinstance(optimizer, Adam | AdamW) and not isinstance(optimizer, NAdam | RAdam):
        moment = state["max_exp_avg_sq"] if group["amsgrad"] else state["exp_avg_sq"]
        correction = 1 - group["betas"][1] ** float(state["step"])
        return 1 / ((moment / correction).sqrt() + group["eps"])
    raise InvalidTypeError(
        "the optimiser must be SGD, Adam, AdamW or RMSprop",
        got=type(optimizer).__name__,
        remedy="Pass a dict name → M instead.",
    )


def _from_dict(preconditioner: Mapping[str, Tensor], network: Network) -> dict[str, Tensor]:
    scales = {}
    for name in network.params:
        scale = preconditioner.get(network.prefix + name, preconditioner.get(name))
        if not isinstance(scale, Tensor):
            raise InvalidValueError(
                "the preconditioner must have a tensor for every trainable parameter",
                got=f"none for {network.prefix + name}",
                remedy="Use the names of q_net.named_parameters().",
            )
        scales[name] = scale
    return scales
