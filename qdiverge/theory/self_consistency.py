"""Does an unstable mode keep the greedy actions that make it unstable?"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_TIE = 1e-9  # relative difference of growth that counts as none


@dataclass(frozen=True, eq=False)
class GrowingMode:
    """An unstable mode of the system at some greedy actions."""

    eigenvalue: complex  # λ of the step, |λ| > 1 beyond rounding
    growth: Tensor  # q [N, A]: along the mode the successors' values move by ± λᵗ q
    within: tuple[Tensor, ...] = ()  # the same at updates within a period, where those choose


def is_self_consistent(mode: GrowingMode, greedy_actions: Tensor) -> bool:
    """Return whether the mode grows without leaving the greedy actions, for one of its signs.

    They stay iff q_{i,·} is largest at the greedy action in every row, for v or for −v, with real
    λ > 1. A mode that rotates or flips (complex or negative λ) keeps them only where all actions
    of a row grow alike.

    >>> q = torch.tensor([[1.0, 0.2], [0.5, 0.5]])
    >>> is_self_consistent(GrowingMode(1.1 + 0j, q), torch.tensor([0, 1]))
    True
    >>> is_self_consistent(GrowingMode(1.1 + 0j, q), torch.tensor([1, 1]))  # for v → −v
    True
    >>> is_self_consistent(GrowingMode(-1.1 + 0j, q), torch.tensor([0, 1]))
    False
    """
    if not _is_steady(mode):
        lead = _lead(mode.growth, greedy_actions)
        return bool((lead.abs() <= _TIE * mode.growth.abs().max()).all())
    lead, slack = _lead(_real(mode.growth), greedy_actions), _slack(mode)
    return bool((lead <= slack).all()) or bool((lead >= -slack).all())


def keeps_likewise(mode: GrowingMode, within: Tensor, greedy_actions: Tensor) -> bool:
    """Return whether the growth within a period keeps the actions, for a sign that keeps them all.

    >>> mode = GrowingMode(1.1 + 0j, torch.tensor([[1.0, 0.2]]))
    >>> keeps_likewise(mode, torch.tensor([[0.5, 0.4]]), torch.tensor([0]))
    True
    >>> keeps_likewise(mode, torch.tensor([[0.4, 0.5]]), torch.tensor([0]))
    False
    """
    slack = _TIE * float(within.abs().max())
    if not _is_steady(mode):
        lead = _lead(within, greedy_actions)
        return bool((lead.abs() <= slack).all())
    phase = _phase(mode.growth)
    start, later = (mode.growth * phase).real, (within * phase).real
    return any(
        bool((sign * _lead(start, greedy_actions) <= _slack(mode)).all())
        and bool((sign * _lead(later, greedy_actions) <= slack).all())
        for sign in (1.0, -1.0)
    )


def follow(
    mode_at: Callable[[Tensor], GrowingMode | None], greedy_actions: Tensor, num_rounds: int = 20
) -> tuple[GrowingMode, Tensor] | None:
    """Follow a growing mode through the switches that its own growth makes.

    From the mode at the present greedy actions, take the actions that its growth makes greedy,
    then the mode there, and so on until the actions repeat, for either sign.

    Args:
        mode_at: greedy actions ``[N]`` → their growing mode, None where none grows.
        greedy_actions: to start from.
        num_rounds: switches at most.

    Returns:
        A self-consistent growing mode and its greedy actions, or None where none was reached.
    """
    first = mode_at(greedy_actions)
    if first is None:
        return None
    if is_self_consistent(first, greedy_actions):
        return first, greedy_actions
    for sign in (1.0, -1.0):
        mode: GrowingMode | None = first
        actions, direction = greedy_actions, sign * _real(first.growth)
        for _ in range(num_rounds):
            if mode is None or not _is_steady(mode):
                break
            q = _real(mode.growth)
            direction = q if float((q * direction).sum()) >= 0 else -q
            stays = _lead(direction, actions).amax(1) <= _slack(mode)
            switched = torch.where(stays, actions, direction.argmax(1))
            if bool(stays.all()):
                return mode, actions
            actions = switched
            mode = mode_at(actions)
    return None


def _is_steady(mode: GrowingMode) -> bool:
    """Return whether λ is real and positive."""
    λ = mode.eigenvalue
    return abs(λ.imag) <= _TIE * abs(λ) and λ.real > 0


def _real(growth: Tensor) -> Tensor:
    """Return an eigenvector's growth without its arbitrary phase."""
    return (growth * _phase(growth)).real if growth.is_complex() else growth


def _phase(growth: Tensor) -> Tensor:
    """Return the factor of modulus 1 that makes the largest entry real and positive, complex []."""
    pivot = growth.flatten()[growth.abs().argmax()].to(torch.complex128)
    return pivot.conj() / pivot.abs().clamp(min=1e-300)


def _lead(growth: Tensor, actions: Tensor) -> Tensor:
    """Return q − q at the given actions, [N, A]."""
    return growth - growth.gather(1, actions[:, None])


def _slack(mode: GrowingMode) -> float:
    """Return what counts as a tie."""
    return _TIE * float(mode.growth.abs().max())
