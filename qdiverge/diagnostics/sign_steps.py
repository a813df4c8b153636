"""Does what grows go on growing under second moments, once they have caught up with it?

Far out they make steps of the gradient's signs, of another kernel than the one seen now. Asked
where one network selects the actions that another evaluates: such runs were seen to turn back
after thousands of updates.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from qdiverge.diagnostics.linear_path import Part
from qdiverge.diagnostics.moment import Moment
from qdiverge.diagnostics.preconditioner import largest_rate
from qdiverge.diagnostics.present_state import joined, push_of
from qdiverge.td import bootstrap_weights
from qdiverge.update.real_step import Step

_ROUNDS = 24
_PACE = 0.2
_GROWS = 0.1  # cosine of the errors and what is added to them


def has_ray_of_signs(moment: Moment, K: Tensor, ahead: Tensor, D: Tensor) -> bool:
    """Return whether errors that grow steadily under steps of signs were found.

    With errors ty and t large, θ moves by s = sign(JᵀDy) at every update, at each group's rate, and
    the errors by m = (γJ'_w − J)s, w the actions whose values grow most. They grow while mᵀy > 0.

    Args:
        moment: The networks, the batch, the optimiser.
        K: kernel of all critics ``[nN, nN]``.
        ahead: K' at the present actions.
        D: weights ``[nN]``.
    """
    optimizer, critics = moment.optimizer, moment.each_critic
    assert optimizer is not None
    parts, pushes = [Part(each) for each in critics], [push_of(each) for each in critics]
    largest = largest_rate(optimizer, *(each.q_network for each in critics)) or 1.0
    rates = {id(p): float(g["lr"]) / largest for g in optimizer.param_groups for p in g["params"]}
    shares = [
        {n: rates.get(id(p), 0.0) for n, p in each.q_network.named_parameters()} for each in critics
    ]
    γ = bootstrap_weights(moment.row_discounts, moment.batch.terminated, torch.float64)[:, None]
    D, size = D.detach().cpu().double(), len(D)

    def moved(y: Tensor) -> Tensor:
        steps: list[Step] = []
        for part, share, c in zip(parts, shares, (D * y).chunk(len(parts)), strict=True):
            steps.append({n: share[n] * g.sign() for n, g in part.direction(c).items()})
        both = joined([push(step) for push, step in zip(pushes, steps, strict=True)], γ)
        values = both[size:].reshape(size, -1)
        return (values.amin(1) if moment.twins else values.amax(1)) - both[:size]

    growing, vectors = torch.linalg.eig((ahead - K).detach().cpu().double() * D)
    first = vectors[:, growing.real.argmax()].real
    return any(_goes_on(start, moved) for start in (first, -first))


def _goes_on(start: Tensor, moved: Callable[[Tensor], Tensor]) -> bool:
    """Return whether errors along y grow in the last rounds of y ← y + ⅕ |y| m/|m|."""
    y = start / start.norm().clamp(min=1e-300)
    for k in range(_ROUNDS):
        m = moved(y)
        m = m / m.norm().clamp(min=1e-300)
        if 2 * k >= _ROUNDS and float(m @ y) < _GROWS:
            return False
        y = y + _PACE * m
        y = y / y.norm()
    return True
