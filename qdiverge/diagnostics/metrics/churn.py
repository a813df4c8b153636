"""How much the values, the greedy actions and the weights move from one measurement to the next."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def greedy_churn(before: Tensor, after: Tensor) -> float:
    """Return the share of states whose greedy action changed.

    Schaul et al. 2022, "The Phenomenon of Policy Churn" (arXiv:2206.00730).

    Args:
        before: Q-values, [N, A].
        after: Q-values of the same states later, [N, A].

    >>> greedy_churn(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
    0.5
    """
    return float((before.argmax(1) != after.argmax(1)).double().mean())


class _Compared(Diagnostic):
    """What is compared with the last measurement, on the same probe batch only."""

    needs: ClassVar[frozenset[str]] = frozenset({"q_all"})
    cost: ClassVar[Cost] = "light"

    def __init__(self) -> None:
        self._before: tuple[int, Tensor, Tensor] | None = None

    def state(self) -> list[Any]:
        """Return update, observations and Q-values of the last measurement."""
        return list(self._before or ())

    def restore(self, state: list[Any]) -> None:
        """Compare with that measurement next time."""
        self._before = (state[0], state[1], state[2]) if state else None

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return the metric; nothing the first time and on a fresh probe batch."""
        before = self._before
        self._before = (moment.update, moment.batch.observations, moment.q_all)
        if before is None or before[1] is not moment.batch.observations:
            return {}
        return self.compare(before[2], moment.q_all, max(moment.update - before[0], 1))

    @abstractmethod
    def compare(self, before: Tensor, after: Tensor, num_updates: int) -> dict[str, float]:
        """Return the metric from the Q-values of the two measurements."""


class ValueChurn(_Compared):
    """Value churn since the last measurement."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/value_churn",
            "mean |Q_{now}(s, a) − Q_{before}(s, a)| / number of updates in between",
            "Q per update",
            "small beside |Q|",
        ),
    )

    def compare(self, before: Tensor, after: Tensor, num_updates: int) -> dict[str, float]:
        """Return ``diverge/value_churn``."""
        moved = (after - before).masked_fill(after == before, 0.0)  # −∞ of a mask among them
        return {"diverge/value_churn": float(moved.abs().mean()) / num_updates}


class GreedyChurn(_Compared):
    """Greedy-action churn since the last measurement, :func:`greedy_churn`."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/greedy_churn",
            "share of states whose greedy action is another one than at the last measurement",
            "share",
            "below a tenth or so, and falling",
        ),
    )
    not_for_critics: ClassVar[str] = "continuous actions have no argmax that could change"

    def compare(self, before: Tensor, after: Tensor, num_updates: int) -> dict[str, float]:
        """Return ``diverge/greedy_churn``."""
        return {"diverge/greedy_churn": greedy_churn(before, after)}


class EffectiveStep(Diagnostic):
    """The effective learning rate since the last measurement: it decides, not the nominal one."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/effective_step",
            "‖θ_t − θ_{t−k}‖ / (k ‖θ_t‖), k updates since the last measurement",
            "1 per update",
            "1e-5 to 1e-3, and falling",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"q_network"})
    cost: ClassVar[Cost] = "light"

    def __init__(self) -> None:
        self._before: tuple[int, Tensor] | None = None

    def state(self) -> list[Any]:
        """Return update and weights of the last measurement."""
        return list(self._before or ())

    def restore(self, state: list[Any]) -> None:
        """Compare with those weights next time."""
        self._before = (state[0], state[1]) if state else None

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/effective_step``; nothing the first time."""
        parameters = moment.q_network.parameters()
        θ = torch.cat([p.detach().flatten() for p in parameters if p.requires_grad])
        before, self._before = self._before, (moment.update, θ)
        if before is None or before[1].shape != θ.shape:
            return {}
        num_updates = max(moment.update - before[0], 1)
        return {"diverge/effective_step": float((θ - before[1]).norm() / θ.norm()) / num_updates}
