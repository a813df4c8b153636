"""Is the linear theory true of this network? One real step against its prediction αKDδ."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.quiet import quiet
from qdiverge.td import values_of
from qdiverge.theory import linearisation_error


def step_change(moment: Moment, td_errors: Tensor) -> Tensor:
    """Return Q(θ') − Q(θ) at the pairs, after θ' = θ + α M Jᵀ D δ with D = 1/N.

    That is the step of the loss ½ Σ ρ_i δ_i² with the optimiser's second moments frozen and no
    momentum, the one that every verdict is about. It is taken on a copy of the parameters.

    Args:
        moment: The network, batch, step and optimiser.
        td_errors: δ, [N], clipped already where the loss clips.

    Returns:
        [N].
    """
    network, batch = moment.q_network, moment.batch
    trainable = {n: p for n, p in network.named_parameters() if p.requires_grad}
    θ = {name: p.detach().clone().requires_grad_() for name, p in trainable.items()}

    def q(parameters: dict[str, Tensor]) -> Tensor:
        if moment.is_critic:
            return functional_call(network, parameters, moment.pairs).reshape(-1)
        values: Tensor = functional_call(network, parameters, (batch.observations,))
        return values_of(values, batch.actions)

    M = moment.preconditioner or {}
    with quiet(network), torch.enable_grad():
        before = q(θ)
        objective = (td_errors.detach() * before).mean()
        ascent = torch.autograd.grad(objective, list(θ.values()), allow_unused=True)
        with torch.no_grad():
            moved = {
                name: p if g is None else p + moment.learning_rate * M.get(name, 1.0) * g
                for (name, p), g in zip(θ.items(), ascent, strict=True)
            }
            return q(moved) - before.detach()


class Linearisation(Diagnostic):
    """How far one step on the batch, at the run's own step size, departs from its prediction."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/linearisation_error",
            "‖ΔQ − αKDδ‖ / ‖αKDδ‖ of one step on the probe batch",
            "1",
            "below 0.3; above it no linearised number applies",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"kernel", "td_errors"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/linearisation_error``."""
        predicted = predicted_change(moment.kernel, moment.td_errors, moment.learning_rate)
        error = linearisation_error(predicted, step_change(moment, moment.td_errors))
        return {"diverge/linearisation_error": error}


def predicted_change(K: Tensor, td_errors: Tensor, learning_rate: float) -> Tensor:
    """Return αKDδ, D = 1/N: Achiam et al. 2019 (arXiv:1903.08894), the leading order of ΔQ.

    >>> K, delta = torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, -1.0])
    >>> predicted_change(K, delta, 0.1)  # 0.1 · 2 / 2, 0.1 · −4 / 2
    tensor([ 0.1000, -0.2000])
    """
    return learning_rate * (K @ td_errors) / len(K)
