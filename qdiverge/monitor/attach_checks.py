"""What is wrong with an attachment: said at once, before a file is written."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from qdiverge.errors import InvalidTypeError, InvalidValueError, QDivergeError
from qdiverge.kernel.network import Networks, each_of, unwrap
from qdiverge.tensor_checks import check_tensor
from qdiverge.thing_checks import type_of

_WATCHED: WeakKeyDictionary[nn.Module, Path] = WeakKeyDictionary()  # network → its run folder


def check_networks(
    networks: Sequence[nn.Module], targets: Sequence[nn.Module], optimizer: torch.optim.Optimizer
) -> None:
    """Raise unless the optimiser trains the networks, and the targets are copies of them.

    Raises:
        InvalidTypeError: a parameter of a network is no dense tensor of real numbers.
        InvalidValueError: the optimiser trains other parameters, a target shares its own with the
            network or has other shapes, or a network has a monitor already.
    """
    for name, parameter in (pair for module in networks for pair in module.named_parameters()):
        if not isinstance(parameter, nn.parameter.UninitializedParameter):
            check_tensor(f"the parameter {name}", parameter)
    trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for network in networks:
        if not any(id(parameter) in trained for parameter in network.parameters()):
            raise InvalidValueError(
                "the optimizer must train the parameters of q_network",
                got="an optimizer of other parameters",
                remedy="Pass the online network, not the target, and its own optimizer.",
            )
        if (folder := _WATCHED.get(unwrap(network)[0])) is not None:
            raise InvalidValueError(
                "a network has one monitor at a time",
                got=f"one that is watched already, in {folder}",
                remedy="Close that monitor first, or share its folder.",
            )
    if not targets:
        return
    if any(id(parameter) in trained for target in targets for parameter in target.parameters()):
        raise InvalidValueError(
            "the target must be a copy of q_network with parameters of its own",
            got="a target that the optimizer trains",
            remedy="Pass the network that the bootstrap reads; target=None where it is q_network.",
        )
    shapes = [
        [list(p.shape) for m in group for p in m.parameters()] for group in (networks, targets)
    ]
    if shapes[0] != shapes[1]:
        raise InvalidValueError(
            "the target must have the shapes of q_network",
            got=f"{len(shapes[1])} tensors beside {len(shapes[0])}, or other shapes",
            remedy="Pass the target of this very network.",
        )


def present_target(
    target: Networks | Callable[[], Networks] | None,
) -> Callable[[], list[nn.Module]]:
    """Return what gives the targets as they are now; of one that is no function, always itself.

    Raises:
        InvalidTypeError: a function does not return modules, or needs arguments.

    >>> net = nn.Linear(1, 1)
    >>> present_target(net)() == present_target(lambda: net)() == [net], present_target(None)()
    (True, [])
    """
    if target is None:
        return list
    if isinstance(target, nn.Module) or not callable(target):
        fixed = each_of(target, "target")
        return lambda: fixed
    function = target
    try:
        each_of(function(), "what target returns")
    except QDivergeError:
        raise
    except Exception as error:  # of somebody's own function, it may be any
        raise InvalidTypeError(
            "target must be a torch.nn.Module, several, or a function without arguments that "
            "returns the present one",
            got=f"{type_of(target)} that raises {type(error).__name__}",
        ) from error
    return lambda: each_of(function(), "what target returns")


def mark_watched(networks: Sequence[nn.Module], folder: Path) -> None:
    """Note which networks have a monitor, and where it writes."""
    for network in networks:
        _WATCHED[network] = folder


def unmark_watched(networks: Sequence[nn.Module]) -> None:
    """Let other monitors have these networks."""
    for network in networks:
        _WATCHED.pop(network, None)


def warn_of_other_discount(discount: float, config: Mapping[str, Any]) -> None:
    """Warn where the run's own settings name another γ; of an n-step target it is γⁿ."""
    own = config.get("discount", config.get("gamma"))
    num_steps = config.get("n_step", config.get("n_steps", 1))
    if not (_is_number(own) and _is_number(num_steps)):
        return
    if not math.isclose(own**num_steps, discount, rel_tol=1e-6):
        warnings.warn(
            f"qdiverge: attach was told discount={discount:g}, but the run's settings say "
            f"{own:g}{f' over {num_steps} steps' if num_steps != 1 else ''}; bounds and TD errors "
            f"are for {discount:g}. Pass discount={own**num_steps:g}, if that is what the targets "
            "use.",
            stacklevel=4,
        )


def warn_of_batch_discounts(discount: float, data: Any) -> None:
    """Warn where a batch carries discounts and none is γ; at the ends of episodes they vary."""
    is_dict = isinstance(data, Mapping)
    discounts = data.get("discounts") if is_dict else getattr(data, "discounts", None)
    if not isinstance(discounts, Tensor) or discounts.numel() == 0:
        return
    if not bool(((discounts - discount).abs() < 1e-5).any()):
        warnings.warn(
            f"qdiverge: attach was told discount={discount:g}, but the batch says "
            f"{float(discounts.median()):g}; bounds and TD errors are for {discount:g}. "
            "Pass discount=γⁿ for an n-step target.",
            stacklevel=5,
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
