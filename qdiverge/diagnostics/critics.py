"""Critics Q(s, a) of continuous actions: one module, several, or one with several values."""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from qdiverge.calling import critic_column, own_errors, policy_parts
from qdiverge.diagnostics.quiet import quiet, quiet_call
from qdiverge.generators import same_generators, seed_torch
from qdiverge.kernel.network import Networks, each_of, module_of, unwrap

# s' → a', or (a', log π(a'|s')); further entries, such as CleanRL's mean action, are passed over
Policy = Callable[[Tensor], Tensor | tuple[Tensor, ...]]
SEED = 0  # of a policy that draws: the same numbers at each measurement, so that curves compare


class CriticView(nn.Module):
    """One output of a module that returns a tuple of values, as a critic of its own.

    The module is used as it is: its parameters are the very tensors, and nothing is set on it.

    >>> class Twin(nn.Module):
    ...     def forward(self, observations, actions):
    ...         return observations + actions, observations - actions
    >>> CriticView(Twin(), 1)(torch.ones(1, 1), torch.full((1, 1), 3.0))
    tensor([[-2.]])
    """

    def __init__(self, module: nn.Module, index: int) -> None:
        super().__init__()
        self.module, self.index = module, index

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return Q_index(s, a), [N] or [N, 1]."""
        value: Tensor = self.module(observations, actions)[self.index]
        return value

    def leading_elsewhere(self, observations: Tensor, actions: Tensor) -> list[str]:
        """Return the names of the layers whose weights change other values and not this one."""
        layers = {n: m.weight for n, m in self.named_modules() if hasattr(m, "weight")}
        layers = {n: w for n, w in layers.items() if isinstance(w, Tensor) and w.requires_grad}
        with quiet(self), torch.enable_grad():
            values = self.module(observations[:1], actions[:1])
            own, others = values[self.index].sum(), sum(value.sum() for value in values)
            to_own, to_others = (
                torch.autograd.grad(v, list(layers.values()), retain_graph=True, allow_unused=True)
                for v in (own, others)
            )
        pairs = zip(layers, to_own, to_others, strict=True)
        return [name for name, here, there in pairs if here is None and there is not None]


def critic_views(critics: Networks, observations: Tensor, actions: Tensor) -> tuple[nn.Module, ...]:
    """Return each critic as a module with one value: the given ones, or views of a tuple's entries.

    Args:
        critics: Called as ``critic(observations, actions)``; each returns [N], [N, 1], or a tuple.
        observations: s, [N, ...]; one row is used, to see what comes back.
        actions: a, [N, k].
    """
    views: list[nn.Module] = []
    for module in (unwrap(each)[0] for each in each_of(critics)):
        values = quiet_call(module, observations[:1], actions[:1])
        if isinstance(values, tuple | list):
            views += [CriticView(module, index) for index in range(len(values))]
        else:
            views.append(module)
    return tuple(views)


def quiet_critics(critics: Sequence[nn.Module], observations: Tensor, actions: Tensor) -> Tensor:
    """Return Q_c(s, a), [N, C], leaving no trace; a module with several values is called once.

    Raises:
        InvalidValueError: a critic returns more than one value for each pair.
    """
    answers: dict[nn.Module, Any] = {}
    columns = []
    for critic in critics:
        module = critic.module if isinstance(critic, CriticView) else critic
        if module not in answers:
            answers[module] = quiet_call(module, observations, actions)
        answer = answers[module]
        values = answer[critic.index] if isinstance(critic, CriticView) else answer
        columns.append(critic_column(values, len(observations)))
    return torch.stack(columns, dim=1)


@dataclass(frozen=True)
class NextActions:
    """What a policy does next: a' [N, k], and log π(a'|s') [N] where it says so."""

    actions: Tensor
    log_probs: Tensor | None = None


@torch.no_grad()
def next_actions(policy: Policy, next_observations: Tensor) -> NextActions:
    """Ask a policy for a' = π(s'); the run's random states stay as they are.

    A module, and the module behind a bound method, is held in evaluation mode.

    >>> next_actions(lambda s: 2 * s, torch.ones(1, 3)).actions
    tensor([[2., 2., 2.]])
    """
    module = module_of(policy)
    with ExitStack() as stack:
        stack.enter_context(same_generators(next_observations.device))
        if module is not None:
            stack.enter_context(quiet(module))
        seed_torch(SEED, next_observations.device)
        with own_errors("policy", next_observations):
            answer = policy(next_observations)
    actions, log_probs = policy_parts(answer, len(next_observations))
    return NextActions(actions.detach(), None if log_probs is None else log_probs.detach())


def target_shares(values: Tensor, critics: str, subset: int | None) -> Tensor:
    """Return with what weight each critic's value enters each target, ``[N, n]``; rows sum to 1.

    The least of all ("min"); their "mean"; or the least of m drawn at random, on the average (REDQ,
    Chen et al. 2021): the critic of rank k is the least of C(n−1−k, m−1) of the C(n, m) draws.

    Args:
        values: Q_c(s', a'), ``[N, n]``.
        critics: "min" or "mean".
        subset: m; None: all n.

    >>> target_shares(torch.tensor([[3.0, 1.0, 2.0]]), "min", 2)
    tensor([[0.0000, 0.6667, 0.3333]], dtype=torch.float64)
    """
    n = values.shape[1]
    if critics == "mean":
        return torch.full(values.shape, 1 / n, dtype=torch.float64, device=values.device)
    m = n if subset is None else subset
    by_rank = torch.tensor(
        [math.comb(n - 1 - k, m - 1) / math.comb(n, m) for k in range(n)], dtype=torch.float64
    )
    ranks = values.argsort(dim=1).argsort(dim=1)
    return by_rank.to(values.device)[ranks]
