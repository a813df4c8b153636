"""Call a network as if nobody had: no gradient, no random draw, no buffer or flag is changed."""

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.calling import own_errors, q_table
from qdiverge.diagnostics.allowed_actions import largest_allowed
from qdiverge.generators import global_states, same_generators, same_states
from qdiverge.kernel.compiled_parts import compiled_parts_eager, has_compiled_parts
from qdiverge.kernel.network import without_autocast
from qdiverge.kernel.own_state import has_own_state, same_own_state


@contextmanager
def quiet(module: nn.Module) -> Iterator[None]:
    """Hold ``module`` in evaluation mode; then restore its flags, states and the random states.

    Dropout passes everything, BatchNorm uses its running statistics and NoisyNet layers that know
    ``eval()`` use their means, so that what is measured is the deterministic Q-function. Autocast
    is off, whose cache a forward pass without gradients would poison, and compiled parts run
    eagerly, so that nothing is compiled anew.
    """
    modules = list(module.modules())
    in_training = [part for part in modules if part.training]
    buffers = [(b, b.clone()) for part in modules for b in part._buffers.values() if b is not None]
    versions = [buffer._version for buffer, _ in buffers]
    device = _device(modules)
    with ExitStack() as stack:
        stack.enter_context(same_generators(device))
        stack.enter_context(same_own_state(modules))
        stack.enter_context(without_autocast(device))
        stack.enter_context(compiled_parts_eager(module))
        try:
            _set_training(in_training, False)
            yield
        finally:
            _set_training(modules, False)
            _set_training(in_training, True)
            with torch.no_grad():
                for (buffer, value), version in zip(buffers, versions, strict=True):
                    if buffer._version != version:
                        buffer.copy_(value)


def _device(modules: list[nn.Module]) -> torch.device:
    devices = (p.device for part in modules for p in part._parameters.values() if p is not None)
    return next(devices, torch.device("cpu"))


def _set_training(modules: list[nn.Module], is_training: bool) -> None:
    """Set the flags as ``module.train`` does, past ``Module.__setattr__``, which is slow."""
    for part in modules:
        object.__setattr__(part, "training", is_training)


@torch.no_grad()
def quiet_call(module: nn.Module, *inputs: Tensor) -> Any:
    """Return what ``module`` returns, without a graph and leaving no trace."""
    with quiet(module), own_errors("the network", *inputs):
        return module(*inputs)


def quiet_values(module: nn.Module, observations: Tensor) -> Tensor:
    """Return the Q-values [N, A] of ``module`` at ``observations``, leaving no trace."""
    return q_table(quiet_call(module, observations), len(observations)).detach()


def needs_quiet(network: nn.Module) -> bool:
    """Return whether a look could change the network, or draw: buffers, dropout, own states."""
    return (
        _is_random(network) or next(network.buffers(), None) is not None or has_own_state(network)
    )


def _is_random(network: nn.Module) -> bool:
    names = (type(part).__name__ for part in network.modules())
    return any("Drop" in name or "Noisy" in name for name in names)


@torch.no_grad()
def leaves_no_trace(network: nn.Module, *inputs: Tensor) -> bool:
    """Return whether a call as the network stands changes nothing, and returns the quiet answer.

    The call is made, and all of it put back: flags are left as they are, so that this is known for
    them alone. Not of layers that draw by chance, nor of compiled parts.

    >>> net = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    >>> leaves_no_trace(net, torch.rand(2, 1)), leaves_no_trace(net.eval(), torch.rand(2, 1))
    (False, True)
    """
    if _is_random(network) or has_compiled_parts(network):
        return False
    modules = list(network.modules())
    device = _device(modules)
    buffers = [(b, b.clone()) for b in network.buffers()]
    before = global_states(device)
    with same_generators(device), same_own_state(modules) as changed:
        with without_autocast(device):
            bare = network(*inputs)
        is_drawn = not same_states(before, global_states(device))
        moved = [(b, was) for b, was in buffers if not torch.equal(b, was)]  # without a version
        for buffer, was in moved:
            buffer.copy_(was)
    if is_drawn or moved or any(changed):
        return False
    answers = (
        x if isinstance(x, tuple | list) else (x,) for x in (bare, quiet_call(network, *inputs))
    )
    return all(torch.equal(*pair) for pair in zip(*answers, strict=True))


@torch.no_grad()
def largest_value(
    networks: Iterable[nn.Module],
    observations: Tensor,
    actions: Tensor,
    is_quiet: bool,
) -> float:
    """Return max|Q| of all networks: of every allowed action, or of critics at the given ones.

    Args:
        networks: The Q-network, or critics.
        observations: s, [N, …].
        actions: [N, k] of critics; [N] of a Q-network: those that were taken, by which a mask is
            known; None: of a Q-network that has none.
        is_quiet: Whether to call them as if nobody had, see :func:`needs_quiet`: it takes longer.
    """
    is_critic = actions is not None and actions.is_floating_point()
    inputs = (observations, actions) if is_critic else (observations,)
    sizes = []
    for network in networks:
        answer = quiet_call(network, *inputs) if is_quiet else network(*inputs)
        values = answer if isinstance(answer, tuple | list) else (answer,)
        sizes += [
            float(value.abs().amax()) if actions is None else largest_allowed(value, actions)
            for value in values
        ]
    return math.nan if any(map(math.isnan, sizes)) else max(sizes)
