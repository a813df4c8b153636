"""State-action pairs x = (s, a): what the kernel is evaluated at, checked before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qdiverge.errors import InvalidTypeError, InvalidValueError
from qdiverge.tensor_checks import as_tensor, check_tensor

Actions = Tensor | np.ndarray | str


@dataclass(frozen=True)
class Pairs:
    """N observations with the actions that pick what is differentiated.

    Attributes:
        observations: [N, ...], any dtype the network takes.
        actions: int64 [N] chooses one Q-value each; floating [N, k] goes into a critic; None takes
            every action.
        begin: Where they begin among the pairs that they are a slice of; None: nobody asked.
    """

    observations: Tensor
    actions: Tensor | None
    begin: int | None = None

    def __len__(self) -> int:
        return self.observations.shape[0]

    def __getitem__(self, rows: slice) -> "Pairs":
        actions = None if self.actions is None else self.actions[rows]
        begin = None if self.begin is None else self.begin + (rows.start or 0)
        return Pairs(self.observations[rows], actions, begin)

    @property
    def is_critic(self) -> bool:
        """Return whether the actions are an input of the network."""
        return self.actions is not None and self.actions.is_floating_point()

    def select(self, values: Tensor) -> Tensor:
        """Return the differentiated outputs [N, A'] of ``values``; A' is 1 unless all count."""
        if self.actions is None:
            return values
        if self.is_critic:
            return values.reshape(len(self), 1)
        return values.gather(1, self.actions[:, None])


def check_pairs(
    observations: Tensor | np.ndarray,
    actions: Actions,
    *,
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Pairs:
    """Return the pairs, on the network's device, when both parts can be used.

    Floating-point parts are cast to ``dtype`` where one is given.

    Raises:
        InvalidTypeError: a part is no tensor, or of a dtype that cannot be used.
        InvalidValueError: a shape or device is wrong, the batch empty, or an entry not finite.
    """
    observations = _tensor("observations", observations, device, dtype)
    if observations.dim() == 0 or observations.shape[0] == 0:
        raise InvalidValueError(
            "observations must have shape [N, ...] with N ≥ 1", got=list(observations.shape)
        )
    if isinstance(actions, str):
        if actions != "all":
            raise InvalidValueError('actions must be a tensor or "all"', got=repr(actions))
        return Pairs(observations, None)
    actions = _tensor("actions", actions, device, dtype)
    num = observations.shape[0]
    if actions.is_floating_point():
        if actions.dim() != 2 or actions.shape[0] != num:
            raise InvalidValueError(
                f"floating-point actions of a critic must have shape [{num}, k]",
                got=list(actions.shape),
                remedy="For discrete actions pass integers: actions.long().",
            )
        return Pairs(observations, actions)
    if actions.dtype == torch.bool:
        raise InvalidTypeError("actions must be integers or floating point", got=actions.dtype)
    if actions.shape != (num,):
        raise InvalidValueError(
            f"integer actions must have shape [{num}], one for each observation",
            got=list(actions.shape),
            remedy="From [N, 1], take actions.squeeze(1).",
        )
    return Pairs(observations, actions.long())


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Return whether every entry is finite; a finite sum, cheaper than each, settles it."""
    if bool(torch.stack([tensor.sum() for tensor in tensors]).isfinite().all()):
        return True
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _tensor(
    name: str, value: Tensor | np.ndarray, device: torch.device, dtype: torch.dtype | None
) -> Tensor:
    if isinstance(value, np.ndarray):
        value = as_tensor(name, np.ascontiguousarray(value)).to(device)
    value = check_tensor(name, value)
    if value.device != device:
        raise InvalidValueError(
            f"{name} must be on the network's device, {device}",
            got=value.device,
            remedy=f"Move it: {name}.to({str(device)!r}).",
        )
    value = value.detach().clone() if value.is_inference() else value.detach()
    if value.is_floating_point():
        if not all_finite([value]):
            where = (~torch.isfinite(value)).nonzero()[0].tolist()
            raise InvalidValueError(
                f"{name} must be finite", got=f"{value[tuple(where)].item()} at {where}"
            )
        value = value if dtype is None else value.to(dtype)
    return value
