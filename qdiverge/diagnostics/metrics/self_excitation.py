"""Transitions that would diverge all by themselves."""

from typing import ClassVar

from torch import Tensor

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment


def transition_excitation(successor_kernel: Tensor, K: Tensor) -> Tensor:
    """Return γ(1 − d_i) k(x'_i, x_i) / k(x_i, x_i), with x'_i the greedy successor pair.

    Above 1, an update on this transition alone raises its target by more than its value: the TD
    error grows at every such update, as in w → 2w.

    Args:
        successor_kernel: K', row i: γ(1 − d_i) k(x'_i, ·), [N, N].
        K: [N, N].

    Returns:
        [N]; NaN where k(x_i, x_i) = 0.

    >>> import torch
    >>> transition_excitation(torch.tensor([[1.8]]), torch.tensor([[1.0]]))  # w → 2w at γ = .9
    tensor([1.8000])
    """
    return successor_kernel.diagonal() / K.diagonal()


class SelfExcitation(Diagnostic):
    """The largest self-excitation of a transition, and the share above 1."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/transition_excitation_max",
            "max_i γ (1−d_i) k(x′_i, x_i) / k(x_i, x_i)",
            "1",
            "below 1",
        ),
        Metric(
            "diverge/self_exciting",
            "share of transitions i with γ (1−d_i) k(x′_i, x_i) > k(x_i, x_i)",
            "share",
            "near 0",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "successor_kernel"})
    cost: ClassVar[Cost] = "full"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/transition_excitation_max`` and ``diverge/self_exciting``."""
        excitation = transition_excitation(moment.successor_kernel, moment.kernel)
        excitation = excitation[~excitation.isnan()]
        if len(excitation) == 0:
            return {}
        return {
            "diverge/transition_excitation_max": float(excitation.max()),
            "diverge/self_exciting": float((excitation > 1).double().mean()),
        }
