"""A batch of transitions (s, a, r, s', d), the one form in which diagnostics read data."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from typing_extensions import Self

from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_tensor


@dataclass(frozen=True)
class Transitions:
    """N transitions.

    Attributes:
        observations: s, [N, ...], any dtype that the network takes.
        actions: a, integer [N], or floating-point [N, k] for a critic.
        rewards: r, [N].
        next_observations: s', like ``observations``.
        terminated: d, [N]: 1 where the episode ended in s' itself; 0 where a limit cut it off.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminated: Tensor

    def __post_init__(self) -> None:
        for field in fields(self):
            check_tensor(field.name, getattr(self, field.name))
        N = len(self)
        if N == 0:
            raise InvalidValueError("a batch needs one transition or more", got="an empty batch")
        for field in fields(self):
            shape = list(getattr(self, field.name).shape)
            if shape[:1] != [N]:
                raise InvalidValueError(f"{field.name} must have {N} rows", got=f"shape {shape}")
        for name in ("rewards", "terminated"):
            if getattr(self, name).ndim != 1:
                shape = list(getattr(self, name).shape)
                raise InvalidValueError(f"{name} must have shape [{N}]", got=shape)
        if self.next_observations.shape != self.observations.shape:
            raise InvalidValueError(
                "next_observations must have the shape of observations",
                got=f"{list(self.next_observations.shape)} beside {list(self.observations.shape)}",
            )

    def __len__(self) -> int:
        return self.observations.shape[0] if self.observations.ndim else 0

    def select(self, index: Tensor | slice) -> Self:
        """Return the transitions at ``index``."""
        return self._map(lambda value: value[index])

    def plain(self) -> "Transitions":
        """Return the five fields alone, without what a subclass adds."""
        return Transitions(*(getattr(self, field.name) for field in fields(Transitions)))

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> Self:
        """Return the transitions on ``device``: these very ones where nothing is to change.

        Args:
            device: Where they are to be.
            dtype: Of what is floating point; None: as it is.
        """
        own = [getattr(self, field.name) for field in fields(self)]
        moved = [
            value.to(
                device,
                dtype if dtype is not None and value.is_floating_point() else value.dtype,
                non_blocking=True,
            )
            for value in own
        ]
        is_there = all(new is old for new, old in zip(moved, own, strict=True))
        return self if is_there else type(self)(*moved)

    def out_of_inference(self) -> Self:
        """Return the same with copies of tensors made in inference mode, which nothing learns from.

        To be called outside that mode.
        """
        if not any(getattr(self, field.name).is_inference() for field in fields(self)):
            return self
        return self.clone()

    def clone(self) -> Self:
        """Return a copy that shares no memory: what buffers reuse, this keeps."""
        return self._map(lambda value: value.detach().clone())

    def join(self, other: Self) -> Self:
        """Return these transitions followed by ``other``."""
        return type(self)(
            *(torch.cat([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*(change(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class SarsaTransitions(Transitions):
    """N transitions that also say what is done next: (s, a, r, s', d, a').

    Attributes:
        next_actions: a', [N, k], where the policy to be evaluated goes on from s'.
    """

    next_actions: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        check_tensor("next_actions", self.next_actions)
        if self.next_actions.shape != self.actions.shape:
            raise InvalidValueError(
                "next_actions must have the shape of actions",
                got=f"{list(self.next_actions.shape)} beside {list(self.actions.shape)}",
            )


def next_action_missing() -> InvalidValueError:
    """Return the error where nobody says which action a critic's target bootstraps from."""
    return InvalidValueError(
        "a critic's target needs the next action",
        got="neither policy=… nor next_actions in the batch",
        remedy="Pass policy=target_policy, a callable s' → a' or (a', log π).",
    )


def without_ends(batch: Transitions) -> Transitions:
    """Return the batch with s in the place of an s' that nothing follows and that is no number.

    Loops mask it before use, so whatever stands there counts for nothing.
    """
    following = batch.next_observations
    if not following.is_floating_point():
        return batch
    is_end = batch.terminated.bool()
    is_unused = is_end & ~torch.isfinite(following).flatten(1).all(1)
    if not bool(is_unused.any()):
        return batch
    successors = following.clone()
    successors[is_unused] = batch.observations[is_unused]
    return replace(batch, next_observations=successors)
