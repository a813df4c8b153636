"""Call a run's networks without moving anything: modes as they are, buffers and draws kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from qdiverge.calling import critic_column, own_errors, policy_parts, q_table
from qdiverge.errors import InvalidValueError
from qdiverge.generators import same_generators
from qdiverge.kernel.network import each_of, untouched, unwrap
from qdiverge.transitions import Transitions

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
        InvalidTypeError: one is no module, or there is none.
    """
    return tuple(unwrap(module)[0] for module in each_of(networks, name))


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
    with untouched(module), own_errors("the network", *inputs):
        return functional_call(module, state, inputs) if state else module(*inputs)


def moves(module: nn.Module, *inputs: Tensor) -> bool:
    """Tell whether a call moves the module's own numbers, as spectral normalisation's does."""
    before = {n: b for n, b in module.named_buffers() if b.is_floating_point()}
    if not before or not any(part.training for part in module.modules()):
        return False
    state = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with untouched(module), torch.no_grad(), own_errors("the network", *inputs):
        functional_call(module, state, inputs)
    return any(not torch.equal(state[name], buffer) for name, buffer in before.items())


def q_values(module: nn.Module, observations: Tensor, leaves: Leaves | None = None) -> Tensor:
    """Return Q(s, ·), [N, A].

    Raises:
        InvalidValueError: something else comes back.
    """
    return q_table(call(module, observations, leaves=leaves), len(observations))


def critic_values(
    modules: Sequence[nn.Module], *inputs: Tensor, leaves: Leaves | None = None
) -> Tensor:
    """Return Q_c(s, a), [N, C], of critics that return [N], [N, 1], or a tuple of these."""
    columns: list[Tensor] = []
    for module in modules:
        values = call(module, *inputs, leaves=leaves)
        columns += list(values) if isinstance(values, tuple | list) else [values]
    return torch.stack([critic_column(each, len(inputs[0])) for each in columns], dim=1)


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
        with own_errors("policy", next_observations):
            answer = policy(next_observations)
    return policy_parts(answer, len(next_observations))


def check_values(modules: Sequence[nn.Module], batch: Transitions) -> None:
    """Raise unless the networks return values of the batch, of every action that is in it.

    Raises:
        CallError: one of them raises.
        InvalidValueError: something else comes back, or an action has no value.
    """
    with torch.no_grad():
        if batch.actions.is_floating_point():
            if modules:
                critic_values(modules, batch.observations, batch.actions)
            return
        for module in modules:
            num_actions = q_values(module, batch.observations).shape[1]
            least, most = (int(value) for value in torch.aminmax(batch.actions))
            if least < 0 or most >= num_actions:
                raise InvalidValueError(
                    f"actions must lie in 0 … {num_actions - 1}", got=f"{least} … {most}"
                )
