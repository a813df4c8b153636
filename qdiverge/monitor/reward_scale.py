"""The largest |r| of every batch that a run was shown: what the bound on its values rests on.

Of several steps, R = Σ_{i<k} γ^i r_i, it is what each of them would have to pay: |R| (1−γ)/(1−γ^k),
so that r_max/(1−γ) = max |R|/(1−γ^k), as |R| + γ^k B ≤ B asks for.
"""

import torch
from torch import Tensor

from qdiverge.tensor_checks import check_tensor

MANY = 64  # batches whose rewards are kept before their largest is sought, of all at once


class RewardScale:
    """A running maximum at the cost of a copy a batch; a GPU is waited for when it is asked.

    >>> scale = RewardScale()
    >>> for rewards in ([0.1, -3.0], [2.0, 1.0]):
    ...     scale.note(torch.tensor(rewards))
    >>> scale.note(torch.tensor(2.5))
    >>> scale.largest
    3.0
    >>> scale.note(torch.tensor([7.0]), torch.tensor([0.125]), 0.5)  # 7 = 4 + 4/2 + 4/4
    >>> scale.largest
    4.0
    """

    def __init__(self, largest: float = 0.0) -> None:
        self._known = largest
        self._largest: list[Tensor] = []  # of what came since, but for
        self._kept: list[Tensor] = []  # the rewards of the last batches
        self._sums: list[tuple[Tensor, Tensor]] = []  # R and γ^k of each batch since
        self._discount = 1.0

    def note(self, rewards: Tensor, discounts: Tensor | None = None, discount: float = 1.0) -> None:
        """Take note of the rewards of a batch, of any shape, or of its sums with their γ^k [N].

        Raises:
            InvalidTypeError: they are no numbers that can be read; they count for nothing.
        """
        own = check_tensor("rewards", rewards)
        own = own.detach() if own.requires_grad else own
        own = own if own.is_floating_point() else own.double()  # |−128| is no int8
        if discounts is not None and discount < 1:  # 20 times what a copy takes: once for many
            self._sums.append((own.reshape(discounts.shape).clone(), discounts.clone()))
            self._discount = discount
            if len(self._sums) >= MANY:
                self._scale()
            return
        self._kept.append(own.clone())
        if len(self._kept) >= MANY:
            self._look()

    def _scale(self) -> None:
        """Make |R| (1−γ)/(1−γ^k) of the sums since."""
        parts, self._sums = zip(*self._sums, strict=True), []  # whatever fails, fails once
        sums, discounts = map(torch.cat, parts)
        each = sums * ((1 - self._discount) / (1 - discounts))
        self._take(each)

    def _look(self) -> None:
        """Take the largest |r| of the batches since."""
        kept, self._kept = self._kept, []
        try:
            rewards = torch.cat(kept)
        except RuntimeError:  # of several shapes
            rewards = torch.cat([x.reshape(-1) for x in kept])
        self._take(rewards)

    def _take(self, rewards: Tensor) -> None:
        self._largest.append(_largest(rewards))
        if len(self._largest) >= MANY:
            largest, self._largest = self._largest, []
            self._largest = [_largest(torch.stack(largest))]

    @property
    def largest(self) -> float:
        """Return the largest |r| so far; 0 where there was none, or no finite one."""
        if self._sums:
            self._scale()
        if self._kept:
            self._look()
        if self._largest:
            largest, self._largest = self._largest, []
            self._known = max(self._known, float(_largest(torch.stack(largest))))
        return float(self._known)


def _largest(rewards: Tensor) -> Tensor:
    """Return the largest |r| that is finite; 0 where there is none."""
    return rewards.abs().nan_to_num(0.0, 0.0).amax() if rewards.numel() else rewards.new_zeros(())
