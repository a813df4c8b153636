"""Is the linear theory true of this run? The optimiser's own step against its prediction."""

import math
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call

from qdiverge.diagnostics.diagnostic import Cost, Diagnostic
from qdiverge.diagnostics.metric import Metric
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.preconditioner import largest_rate
from qdiverge.diagnostics.quiet import quiet
from qdiverge.kernel.matvec import pull_and_push
from qdiverge.td import values_of
from qdiverge.theory import linearisation_error
from qdiverge.update.real_step import Step, linear_step, real_step

NUM_PAIRS = 64  # of a step that is tried


def step_changes(moment: Moment, applied: Tensor) -> tuple[Tensor, Tensor]:
    """Return how the next step moves Q(s_i, a_i): as the linear map says, and really.

    Of more than ``NUM_PAIRS`` pairs the step is made on so many of them, evenly spread.

    The map: J Δθ with Δθ = α M (a g + b v) − decay, g = Jᵀ D δ, D = 1/N, and the momentum v that
    the optimiser holds now. Really: the optimiser's own step on a copy of the parameters, and the
    network called again. Without a live optimiser both take Δθ = α g.

    Args:
        moment: The network, batch, step and optimiser.
        applied: δ as the loss applies them, [N]: clipped where it clips, weighted where it weighs.

    Returns:
        Predicted and real, [min(N, NUM_PAIRS)] each.
    """
    network, (s, a) = moment.q_network, moment.pairs
    if len(applied) > NUM_PAIRS:
        some = torch.linspace(0, len(applied) - 1, NUM_PAIRS, device=s.device).round().long()
        s, a, applied = s[some], a[some], applied[some]
    θ = {n: p.detach() for n, p in network.named_parameters() if p.requires_grad}

    def q(parameters: dict[str, Tensor]) -> Tensor:
        if moment.is_critic:
            return functional_call(network, parameters, (s, a)).reshape(-1)
        values: Tensor = functional_call(network, parameters, (s,))
        return values_of(values, a)

    with quiet(network), torch.enable_grad():
        before, g, push = pull_and_push(q, θ, applied / len(applied))  # Q, Jᵀ D δ, u → J u
        slope = 1.0 if moment.rule is None else moment.rule.slope
        scales, optimizer = moment.preconditioner, moment.optimizer
        step = linear_step(network, moment.descent, g, scales, optimizer, slope)
        real = _real_step(moment, g, step)
        predicted = push(step)
        with torch.no_grad():
            return predicted, q({n: p + real[n] for n, p in θ.items()}) - before


def _real_step(moment: Moment, ascent: Step, predicted: Step) -> Step:
    """Return the optimiser's own step; the predicted one where there is no optimiser."""
    if moment.optimizer is None:
        return predicted
    slope = 1.0 if moment.rule is None else moment.rule.slope
    gradients = {name: -slope * g for name, g in ascent.items()}
    others, optimizer = moment.twins, moment.optimizer
    share = largest_rate(optimizer, moment.q_network) / (
        largest_rate(optimizer, moment.q_network, *others) or 1.0
    )
    rate = share * moment.learning_rate / slope
    return real_step(moment.q_network, moment.optimizer, gradients, learning_rate=rate)


class Linearisation(Diagnostic):
    """How far the optimiser's own next step, on the probe batch, departs from its prediction."""

    is_of_update: ClassVar[bool] = True

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric(
            "diverge/linearisation_error",
            "‖ΔQ − JΔθ‖ / ‖JΔθ‖ of the optimiser’s next step on up to 64 pairs of the probe, Δθ "
            "the linear map’s",
            "1",
            "below 0.3; above it no linearised number applies",
        ),
    )

    needs: ClassVar[frozenset[str]] = frozenset({"td_errors"})
    cost: ClassVar[Cost] = "standard"

    def measure(self, moment: Moment) -> dict[str, float]:
        """Return ``diverge/linearisation_error``; ∞ where the step overflows."""
        predicted, real = step_changes(moment, moment.applied_errors)
        is_finite = bool(predicted.isfinite().all() and real.isfinite().all())
        error = linearisation_error(predicted, real) if is_finite else math.inf
        return {"diverge/linearisation_error": error}
