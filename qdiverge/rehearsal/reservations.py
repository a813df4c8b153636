"""What copies may not be faithful in, in sentences: they train all the same."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from qdiverge.diagnostics.noisy_weights import noisy_layers
from qdiverge.diagnostics.quiet import needs_quiet, quiet_values
from qdiverge.kernel.network import module_of
from qdiverge.rehearsal.learner import Original
from qdiverge.rehearsal.scheduled import is_scheduled
from qdiverge.update.copies import HOOKS
from qdiverge.update.td_update import Rows

FEWEST_ROWS, FEW = 16, 4  # rows to tell by; outputs to an action that is seen
ON_PARAMETERS = ("_backward_hooks", "_post_accumulate_grad_hooks")
ON_OPTIMIZERS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")


def notes_on(original: Original) -> list[str]:
    """Return what the copies may not be faithful in, in sentences."""
    notes = []
    if is_scheduled(original.optimizer) and original.scheduler is None:
        notes.append(
            "A scheduler sets the learning rate; the copies keep it as it is now: pass scheduler=… "
            "where it steps at each update."
        )
    actor = original.actor
    if actor is not None and actor.optimizer is not None and is_scheduled(actor.optimizer):
        notes.append(
            "A scheduler sets the policy's learning rate; the copies keep it as it is now: pass "
            "update=… where that matters."
        )
    networks = original.networks
    if any(noisy_layers(network) for network in networks):
        notes.append(
            "Copies draw the noise of each update before it, the network's and then its target's, "
            "unless it is drawn in every call: where the run draws otherwise, theirs is another."
        )
    if any(needs_quiet(each) and not each.training for each in networks):
        notes.append(
            "The network is in evaluation mode, and so its copies learn: where the run trains it "
            "otherwise, call q_net.train() first."
        )
    if (
        actor is not None
        and actor.optimizer is not None
        and (η := original.rule.entropy_coefficient)
    ):
        notes.append(
            f"The entropy coefficient was held at {η:.3g}: where it is learnt, pass update=… with "
            "it and its optimiser among others=…."
        )
    if num_hooks := sum(1 for _ in _hooks(original)):
        notes.append(
            f"{num_hooks} of somebody's hooks on networks, parameters or optimiser stay behind: "
            "where they change values, gradients or steps, pass update=…."
        )
    return notes


def notes_on_data(network: nn.Module, rows: Rows, *, is_drawn: bool) -> list[str]:
    """Return what the data and the precision say of it, in sentences.

    Args:
        network: A copy.
        rows: To ask it about.
        is_drawn: Whether a function draws them.
    """
    notes, device = [], rows.transitions.observations.device.type
    if torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) is torch.float16:
        notes.append(
            "Copies do not scale their losses, and in float16 small gradients vanish: pass "
            "update=… with the run's GradScaler among others=…."
        )
    if is_drawn and rows.weights is not None:
        notes.append("Batches are drawn by the priorities of now, which copies do not move.")
    if not (a := rows.transitions.actions).is_floating_point() and len(rows) >= FEWEST_ROWS:
        num = quiet_values(network, rows.transitions.observations[:1]).shape[1]
        if num > FEW * (seen := int(a.max()) + 1):
            notes.append(
                f"Of {num} outputs the data hold the first {seen} alone: if the network learns a "
                "distribution, pass update=…."
            )
    return notes


def _hooks(original: Original) -> Iterator[Any]:
    """Yield the hooks that copies do without, but ours and PyTorch's."""
    policy = None if original.actor is None else module_of(original.actor.policy)
    modules = [*original.networks, *original.targets, *([] if policy is None else [policy])]
    optimizers = [original.optimizer, original.actor.optimizer if original.actor else None]
    parts = [part for module in modules for part in module.modules()]
    parameters = [p for module in modules for p in module.parameters()]
    for names, owners in ((HOOKS, parts), (ON_PARAMETERS, parameters), (ON_OPTIMIZERS, optimizers)):
        for owner in owners:
            for name in names:
                hooks = (getattr(owner, name, None) or {}).values()
                yield from (hook for hook in hooks if not _is_known(hook))


def _is_known(hook: Callable[..., Any]) -> bool:
    while isinstance(hook, partial):
        hook = hook.func
    return str(getattr(hook, "__module__", "")).startswith(("torch.", "qdiverge."))
