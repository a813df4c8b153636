"""Whether copies can be the run: what of it no copy takes along is refused by name."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from qdiverge.calling import own_errors
from qdiverge.diagnostics.quiet import quiet
from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.inner_optimizer import inner_optimizer
from qdiverge.kernel.graph_leaves import graph_leaves
from qdiverge.kernel.network import module_of
from qdiverge.rehearsal.learner import Actor, Original
from qdiverge.rehearsal.own_values import OwnValues
from qdiverge.rehearsal.reached import reached
from qdiverge.rehearsal.scheduled import is_scheduled
from qdiverge.thing_checks import check_instance, type_of
from qdiverge.update.td_update import Loss, Rows

OWN_UPDATE = "Pass update=…, which makes one update of the copies."


def check_scheduler(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Refuse what is no scheduler of this optimiser, or one that needs more than a step.

    Raises:
        InvalidTypeError: it is none of PyTorch's, or steps by a metric.
        InvalidValueError: it is another optimiser's.
    """
    check_instance("scheduler", scheduler, LRScheduler)
    if isinstance(scheduler, ReduceLROnPlateau):
        raise InvalidTypeError(
            "a scheduler must step by itself after each update",
            got="ReduceLROnPlateau, which needs a metric",
            remedy=OWN_UPDATE,
        )
    if inner_optimizer(scheduler.optimizer) is not optimizer:
        raise InvalidValueError(
            "the scheduler must be of the optimiser that trains q_net", got="one of another"
        )


def check_trainable(original: Original) -> None:
    """Refuse optimisers and targets that do not belong to the networks, and steps put in place.

    Raises:
        InvalidTypeError: a step that is not the class's own or needs a closure, or a policy's
            target that is no module and so cannot follow.
        InvalidValueError: an optimiser without parameters of one of the networks or of the policy,
            or a target of another number or shape.
    """
    held = _held(original.optimizer)
    for number, network in enumerate(original.networks, start=1):
        own = [p for p in network.parameters() if p.requires_grad]
        if own and not any(id(p) in held for p in own):
            raise InvalidValueError(
                "the optimiser must hold parameters of each network",
                got=f"none of network {number} of {len(original.networks)}",
                remedy=f"Pass one that trains them all. Where each has its own: {OWN_UPDATE}",
            )
    _check_step("the optimiser", original.optimizer)
    if original.targets:
        _check_pairs("target", original.targets, original.networks)
    if original.actor is not None:
        _check_actor(original.actor)


def check_own(copies: Sequence[nn.Module], originals: Iterable[nn.Module], rows: Rows) -> None:
    """Refuse a network whose copy learns by the original's parameters, as one with a closure does.

    Args:
        copies: Of the networks.
        originals: All that must be left alone.
        rows: To ask the copies about.

    Raises:
        InvalidTypeError: one reaches a parameter of an original.
    """
    theirs = {id(p) for module in originals for p in module.parameters()}
    batch = rows.transitions
    inputs = [batch.observations[:2]]
    inputs += [batch.actions[:2]] if batch.actions.is_floating_point() else []
    for network in copies:
        with quiet(network), torch.enable_grad(), own_errors("q_net", *inputs):
            answer = network(*inputs)
        answers = answer if isinstance(answer, tuple | list) else (answer,)
        values = [each for each in answers if isinstance(each, Tensor)]
        if any(id(p) in theirs for value in values for p in graph_leaves(value)):
            raise InvalidTypeError(
                "a copied network must use its own parameters",
                got=f"a {type(network).__name__} whose copy uses those of the original",
                remedy="A function in it, such as a lambda, holds on to the original: make that a "
                "method.",
            )


def check_loss(loss: Loss, rows: Rows) -> None:
    """Refuse a loss of the caller's own that says no number, or of weighted rows no average.

    Raises:
        InvalidValueError: it returns one for each row, or their sum.
    """
    q = torch.zeros(2, device=rows.transitions.rewards.device)
    with own_errors("loss", q, q), OwnValues(reached(loss, name="a loss")):
        one, both = loss(q[:1], q[:1] + 1), loss(q, q + 1)
    if not isinstance(both, Tensor) or both.ndim:
        got = f"shape {list(both.shape)}" if isinstance(both, Tensor) else type_of(both)
        raise InvalidValueError("a loss must return one number, the average over a batch", got=got)
    if rows.weights is not None and not torch.isclose(one.reshape(()), both):
        raise InvalidValueError(
            "a loss of weighted batches must be the average over its rows",
            got="one that is another of two like rows than of one, such as a sum",
            remedy=f"Return the average. {OWN_UPDATE}",
        )


def _check_step(name: str, optimizer: torch.optim.Optimizer) -> None:
    step, kind = vars(optimizer).get("step"), type(optimizer)
    if step is not None and not is_scheduled(optimizer):
        raise InvalidTypeError(
            f"{name}'s step must be that of {kind.__name__}",
            got="another, put in its place",
            remedy=OWN_UPDATE,
        )
    parameters = list(inspect.signature(kind.step).parameters.values())[1:]
    if any(p.default is p.empty and "VAR" not in p.kind.name for p in parameters):
        raise InvalidTypeError(
            f"{name}'s step must need no more than the gradient",
            got=f"{kind.__name__}, whose step takes {', '.join(p.name for p in parameters)}",
            remedy=OWN_UPDATE,
        )


def _check_actor(actor: Actor) -> None:
    if actor.optimizer is not None:
        _check_step("policy_optimizer", actor.optimizer)
    policy, target = module_of(actor.policy), module_of(actor.target)
    if actor.optimizer is not None and policy is not None:
        held = _held(actor.optimizer)
        if not any(id(p) in held for p in policy.parameters()):
            raise InvalidValueError(
                "policy_optimizer must hold parameters of the policy",
                got="none of them",
                remedy="Pass the optimiser that trains this very actor.",
            )
    if actor.target is None or (policy is None and target is None):
        return
    if policy is None or target is None:
        raise InvalidTypeError(
            "a policy_target that follows the policy must be a module, or a method of one",
            got=type(actor.target if target is None else actor.policy).__name__,
            remedy="Noise on its action belongs into a method of it.",
        )
    _check_pairs("policy_target", [target], [policy])


def _check_pairs(name: str, slow: Sequence[nn.Module], online: Sequence[nn.Module]) -> None:
    if len(slow) != len(online):
        raise InvalidValueError(
            f"{name} must be as many networks as it follows, {len(online)}", got=len(slow)
        )
    for one, other in zip(slow, online, strict=True):
        shapes = [[tuple(p.shape) for p in module.parameters()] for module in (one, other)]
        if shapes[0] != shapes[1]:
            raise InvalidValueError(
                f"{name} must have parameters of the shapes of the network that it follows",
                got=f"{_shown(shapes[0])} beside {_shown(shapes[1])}",
            )


def _held(optimizer: torch.optim.Optimizer) -> set[int]:
    return {id(p) for group in optimizer.param_groups for p in group["params"]}


def _shown(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes[:4]) + (", …" if len(shapes) > 4 else "")
