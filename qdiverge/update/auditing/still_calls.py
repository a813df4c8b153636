"""Call a run's networks without moving anything: modes as they are, buffers and draws kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.generators import same_generators
from qdiverge.kernel.network import untouched, unwrap

Networks = nn.Module | Sequence[nn.Module]
Policy = Callable[[Tensor], Any]
SEED = 0


class OneValue(nn.Module):
    """One of the values that a module returns, as a critic of its own."""

    def __init__(self, module: nn.Module, index: int) -> None:
        super().__init__()
        self.module, self.index = module, index

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the value, [N] or [N, 1]."""
        value: Tensor = self.module(*inputs)[self.index]
        return value


def modules_of(name: str, networks: Networks) -> tuple[nn.Module, ...]:
    """Return the networks inside their wrappers.

    Raises:
        InvalidTypeError: one is no module.
    """
    given = [networks] if isinstance(networks, nn.Module) else networks
    if not isinstance(given, Sequence) or not given:
        raise InvalidTypeError(f"{name} must be a module, or several", got=type(given).__name__)
    for module in given:
        if not isinstance(module, nn.Module):
            raise InvalidTypeError(f"{name} must be a torch.nn.Module", got=type(module).__name__)
    return tuple(unwrap(module)[0] for module in given)


Leaves = Mapping[int, Tensor]  # id of a parameter → its value, as a leaf of its own


def call(module: nn.Module, *inputs: Tensor, leaves: Leaves | None = None) -> Any:
    """Return what the module returns in its present mode; copies of its buffers may change.

    Args:
        module: Called.
        inputs: Its inputs.
        leaves: What stands for its parameters, so that no hook on them hears of a derivative.
    """
    state = {name: buffer.clone() for name, buffer in module.named_buffers()}
    if leaves is not None:
        state |= {n: leaves[id(p)] for n, p in module.named_parameters() if id(p) in leaves}
    with untouched(module):
        return functional_call(module, state, inputs) if state else module(*inputs)


def moves(module: nn.Module, *inputs: Tensor) -> bool:
    """Tell whether a call moves the module's own numbers, as spectral normalisation's does."""
    before = {n: b for n, b in module.named_buffers() if b.is_floating_point()}
    if not before or not any(part.training for part in module.modules()):
        return False
    state = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with untouched(module), torch.no_grad():
        functional_call(module, state, inputs)
    return any(not torch.equal(state[name], buffer) for name, buffer in before.items())


def q_values(module: nn.Module, observations: Tensor, leaves: Leaves | None = None) -> Tensor:
    """Return Q(s, ·), [N, A].

    Raises:
        InvalidValueError: something else comes back.
    """
    values = call(module, observations, leaves=leaves)
    if not isinstance(values, Tensor) or values.ndim != 2 or len(values) != len(observations):
        raise InvalidValueError(
            f"q_net must return Q-values [{len(observations)}, A]",
            got=list(values.shape) if isinstance(values, Tensor) else type(values).__name__,
            remedy="A critic takes floating-point actions [N, k].",
        )
    return values


def critic_values(
    modules: Sequence[nn.Module], *inputs: Tensor, leaves: Leaves | None = None
) -> Tensor:
    """Return Q_c(s, a), [N, C], of critics that return [N], [N, 1], or a tuple of these."""
    columns: list[Tensor] = []
    for module in modules:
        values = call(module, *inputs, leaves=leaves)
        columns += list(values) if isinstance(values, tuple | list) else [values]
    for column in columns:
        if column.numel() != len(inputs[0]):
            raise InvalidValueError(
                f"a critic must return one value for each pair, [{len(inputs[0])}] or [N, 1]",
                got=list(column.shape),
            )
    return torch.stack([column.reshape(-1) for column in columns], dim=1)


def first_critic(modules: Sequence[nn.Module], *inputs: Tensor) -> nn.Module:
    """Return the first critic as a module with one value."""
    values = call(modules[0], *(part[:1] for part in inputs))
    return OneValue(modules[0], 0) if isinstance(values, tuple | list) else modules[0]


@torch.no_grad()
def ask_policy(policy: Policy, next_observations: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return a' and, where the policy says so, log π(a'|s'); nothing of the run moves."""
    owner = policy if isinstance(policy, nn.Module) else getattr(policy, "__self__", None)
    with ExitStack() as stack:
        if isinstance(owner, nn.Module):
            stack.enter_context(untouched(owner))
            stack.enter_context(torch.no_grad())
        stack.enter_context(same_generators(next_observations.device))
        torch.default_generator.manual_seed(SEED)
        answer = policy(next_observations)
    if isinstance(answer, Tensor):
        return answer, None
    return answer[0], answer[1].reshape(-1)
