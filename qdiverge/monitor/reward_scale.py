"""The largest |r| of every batch that a run was shown: what the bound on its values rests on.

Of several steps, R = Σ_{i<k} γ^i r_i, it is what each of them would have to pay: |R| (1−γ)/(1−γ^k),
so that r_max/(1−γ) = max |R|/(1−γ^k), as |R| + γ^k B ≤ B asks for.
"""

import math

import torch
from torch import Tensor

MANY = 64  # batches whose extremes are kept before one is made of them


class RewardScale:
    """A running maximum at one operation a batch, or three; a GPU is waited for when it is asked.

    >>> scale = RewardScale()
    >>> for rewards in ([0.1, -3.0], [2.0, 1.0]):
    ...     scale.note(torch.tensor(rewards))
    >>> scale.largest
    3.0
    >>> scale.note(torch.tensor([7.0]), torch.tensor([0.125]), 0.5)  # 7 = 4 + 4/2 + 4/4
    >>> scale.largest
    4.0
    """

    def __init__(self, largest: float = 0.0) -> None:
        self._known = largest
        self._extremes: list[Tensor] = []  # least and largest reward of each batch since
        self._sums: list[tuple[Tensor, Tensor]] = []  # R and γ^k of each batch since
        self._discount = 1.0

    def note(self, rewards: Tensor, discounts: Tensor | None = None, discount: float = 1.0) -> None:
        """Take note of the rewards of a batch, of any shape, or of its sums with their γ^k [N]."""
        own = rewards.detach() if rewards.requires_grad else rewards
        if discounts is not None and discount < 1:  # 20 times what a copy takes: once for many
            self._sums.append((own.reshape(discounts.shape).clone(), discounts.clone()))
            self._discount = discount
            if len(self._sums) >= MANY:
                self._scale()
            return
        self._extremes += torch.aminmax(own)
        if len(self._extremes) >= 2 * MANY:
            self._extremes = [torch.stack(self._extremes).abs().nan_to_num(0.0, 0.0).amax()]

    def _scale(self) -> None:
        """Make |R| (1−γ)/(1−γ^k) of the sums since."""
        sums, discounts = (torch.cat(parts) for parts in zip(*self._sums, strict=True))
        each = sums * ((1 - self._discount) / (1 - discounts))
        self._extremes.append(each.abs().nan_to_num(0.0, 0.0).amax())
        self._sums = []

    @property
    def largest(self) -> float:
        """Return the largest |r| so far; 0 where there was none, or no finite one."""
        if self._sums:
            self._scale()
        if self._extremes:
            sizes = torch.stack(self._extremes).abs().tolist()
            self._known = max(self._known, *(x for x in sizes if math.isfinite(x)), 0.0)
            self._extremes = []
        return float(self._known)
