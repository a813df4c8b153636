"""What a live optimiser says of the update: its kind, momentum, decay, steps."""

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.kernel.network import each_of
from qdiverge.kernel.precondition import own_groups

# These very classes: a subclass may do anything, unless it says that it ``steps_as`` one of them.
MODELLED = (SGD, Adam, AdamW, RMSprop)


def read_optimizer(optimizer: Optimizer, modules: Sequence[nn.Module]) -> dict[str, Any]:
    """Return the fields of an :class:`qdiverge.update.UpdateRule` that an optimiser decides.

    Args:
        optimizer: Left untouched.
        modules: The Q-network, or the critics; only groups with parameters of theirs count.

    Returns:
        Field → value. ``learning_rate`` is the largest of the groups: a smaller one of another
        group scales the kernel. ``not_modelled`` says what no linear map is known of.

    Raises:
        InvalidValueError: the optimiser holds none of the parameters.

    >>> net = nn.Linear(2, 1)
    >>> fields = read_optimizer(SGD(net.parameters(), lr=0.01, momentum=0.9, dampening=0.5), [net])
    >>> fields["optimizer"], fields["momentum"], fields["gain"], fields["not_modelled"]
    ('SGD', 0.9, 0.5, '')
    """
    own = (p for module in each_of(modules, "modules") for p in module.parameters())
    optimizer = inner_optimizer(optimizer)
    groups = own_groups(optimizer, (p for p in own if p.requires_grad))
    name = type(optimizer).__name__
    kind = getattr(optimizer, "steps_as", type(optimizer))
    fields: dict[str, Any] = {
        "optimizer": name,
        "learning_rate": max(float(g["lr"]) for g in groups),
    }
    if kind not in MODELLED:
        return fields | {"not_modelled": _why_not(name)}
    each = [_of_group(kind, group) for group in groups]
    reasons = []
    if any(one != each[0] for one in each):
        reasons.append("parameter groups with momentum or decay of their own are not modelled")
    if any(group.get("maximize") for group in groups):
        reasons.append("maximize=True climbs the loss")
    if kind is not SGD and each[0]["coupled_decay"]:
        reasons.append(f"weight decay within {name}'s gradient is not modelled")
    return fields | each[0] | {"not_modelled": "; ".join(reasons)}


def why_not_modelled(modules: Sequence[nn.Module]) -> str:
    """Return why the networks themselves have no linear map here; "" where they have.

    Raises:
        InvalidTypeError, InvalidValueError: they are no networks.

    >>> why_not_modelled([nn.Linear(1, 1)])
    ''
    """
    each = each_of(modules, "modules")
    layers = {type(part).__name__ for module in each for part in module.modules()}
    if any("Noisy" in name for name in layers):
        return "noisy weights: an update has one draw of their noise, a map only their average"
    return ""


def measured_otherwise(modules: Sequence[nn.Module]) -> str:
    """Return why what is measured is another function than what learns; "" where it is not.

    Measurements are of the network in evaluation mode. While BatchNorm trains, Q of a row depends
    on the rows beside it; while dropout does, on chance.

    Raises:
        InvalidTypeError, InvalidValueError: they are no networks.

    >>> measured_otherwise([nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2))])
    'the network learns with the statistics of its batch (BatchNorm1d) and is measured without'
    """
    each = each_of(modules, "modules")
    parts = [part for module in each for part in module.modules() if part.training]
    norms = {type(p).__name__ for p in parts if isinstance(p, nn.modules.batchnorm._BatchNorm)}
    drops = {
        type(p).__name__ for p in parts
        if isinstance(p, nn.modules.dropout._DropoutNd) and p.p > 0
    }  # fmt: skip
    ways = [f"the statistics of its batch ({', '.join(sorted(norms))})"] if norms else []
    ways += [f"dropout ({', '.join(sorted(drops))})"] if drops else []
    return f"the network learns with {' and '.join(ways)} and is measured without" if ways else ""


def _of_group(kind: type[Optimizer], group: dict[str, Any]) -> dict[str, Any]:
    """Return what the options of one group come to."""
    decay = float(group.get("weight_decay", 0.0))
    is_decoupled = kind is AdamW or bool(group.get("decoupled_weight_decay"))
    momentum = float(group["betas"][0] if "betas" in group else group.get("momentum", 0.0))
    gain = 1 - momentum if "betas" in group else 1 - float(group.get("dampening", 0.0))
    return {
        "momentum": momentum,
        "gain": gain if momentum else 1.0,
        "is_nesterov": bool(group.get("nesterov")),
        "decay": decay if is_decoupled else 0.0,
        "coupled_decay": 0.0 if is_decoupled else decay,
        "is_preconditioned": kind is not SGD,
    }


def _why_not(name: str) -> str:
    """Return why an optimiser of this name has no linear map here."""
    return "PreQN is no gradient descent" if name == "PreQN" else f"{name} is not modelled"
