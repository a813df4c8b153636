"""How large returns are by the rewards as they came: less than r_max/(1−γ) where ends pay most."""

import math
from typing import Any, ClassVar

from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def earned_scale(rewards: Tensor, terminated: Tensor, discounts: float | Tensor) -> float:
    """Return the most that steps like these can earn, B with |R_i| + γ^k (1−d_i) B ≤ B for each.

    A return Σ γ^t r_t + γ^T r_T is an average of what goes on, |r|/(1−γ), and of its end, |r_T|.

    Args:
        rewards: r, or sums R of k steps, [N].
        terminated: d, [N].
        discounts: γ < 1, or γ^k [N].

    >>> import torch
    >>> rewards, ends = torch.tensor([0.1, -100.0]), torch.tensor([False, True])
    >>> round(earned_scale(rewards, ends, 0.99), 3), round(earned_scale(rewards, ~ends, 0.99))
    (100.0, 10000)
    """
    goes_on = ~terminated.bool()
    return float((rewards.double().abs() / (1 - goes_on * discounts)).nan_to_num(0, 0).max())


class EarnedScale(Diagnostic):
    """The most that steps like those measured so far can earn; beside the bound, no limit."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/earned_scale",
            "max of |r| / (1 − γ) where the episode goes on and |r| where it ends, over the"
            " transitions measured so far; of sums over k steps with γ^k",
            "Q",
            "values of this size at most: larger ones are overestimates",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset()
    cost: ClassVar[Cost] = "light"

    def __init__(self) -> None:
        self._largest = 0.0

    def state(self) -> list[Any]:
        """Return the largest so far."""
        return [self._largest]

    def restore(self, state: list[Any]) -> None:
        """Go on from it."""
        (self._largest,) = state

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/earned_scale``, ∞ at γ = 1."""
        batch, discounts = moment.batch, moment.row_discounts
        if moment.discount == 1 or (isinstance(discounts, Tensor) and bool((discounts >= 1).any())):
            self._largest = math.inf
        else:
            now = earned_scale(batch.rewards, batch.terminated, discounts)
            self._largest = max(self._largest, now)
        return {"diverge/earned_scale": float(f"{self._largest:.6g}")}
