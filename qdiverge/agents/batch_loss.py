"""What the loss of a batch is, before anybody waits for the device."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from typing_extensions import Self

from qdiverge.agents.interfaces import Update


@dataclass(frozen=True, eq=False)
class BatchLoss:
    """The loss of a batch and what goes with it, read without waiting for the device.

    Args:
        loss: [], the end of the graph.
        numbers: [5], the loss and what follows it in Update.
        td_errors: As in Update, [N].
        surprises: As in Update, [N].
    """

    loss: Tensor
    numbers: Tensor
    td_errors: Tensor
    surprises: Tensor

    @classmethod
    def of(
        cls, loss: Tensor, errors: Tensor, surprises: Tensor, taken: Tensor, values: Tensor
    ) -> Self:
        """Return it from the loss, δ, the surprises, Q(s_i, a_i), and all Q-values seen."""
        loss_value, sizes = loss.detach(), errors.abs()
        numbers = loss_value, sizes.mean(), sizes.max(), taken.mean(), values.max()
        return cls(loss, torch.stack(numbers), errors, surprises)

    def read(self) -> Update:
        """Wait for the device, and take the numbers from it."""
        loss, td_abs_mean, td_abs_max, q_mean, q_max = self.numbers.tolist()
        return Update(
            loss=loss,
            td_abs_mean=td_abs_mean,
            td_abs_max=td_abs_max,
            q_mean=q_mean,
            q_max=q_max,
            is_finite=math.isfinite(loss),
            td_errors=self.td_errors,
            surprises=self.surprises,
        )
