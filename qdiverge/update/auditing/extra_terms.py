"""What else may be in a gradient: a penalty on θ or log Σ exp Q, an old gradient, the successors.

Each has a direction in parameter space that can be computed, so that g = c Jᵀw + λ x is two
unknowns and as many equations as there are parameters.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from qdiverge.update.auditing.audit_inputs import Reading, numbers
from qdiverge.update.auditing.td_columns import Columns, Hypothesis


def fit_two(g: Tensor, v: Tensor, x: Tensor) -> tuple[float, float, float]:
    """Return c, λ of g = c v + λ x by least squares, and the norm of what is left over that of g.

    >>> v, x = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, 0.0])
    >>> c, l, left = fit_two(2 * v + 3 * x, v, x)
    >>> round(c, 4), round(l, 4), left < 1e-6
    (2.0, 3.0, True)
    """
    units = torch.stack([v / v.norm().clamp_min(1e-30), x / x.norm().clamp_min(1e-30)]).double()
    wanted = g.double()
    c = torch.linalg.lstsq(units @ units.T, (units @ wanted)[:, None], driver="gelsd")[0][:, 0]
    left = float((wanted - c @ units).norm() / wanted.norm())
    return float(c[0] / v.norm()), float(c[1] / x.norm()), left


def other_directions(
    reading: Reading, previous: Tensor | None
) -> Iterator[tuple[str, str, Tensor]]:
    """Yield code, name and direction of what else may be in the gradient."""
    if previous is not None:
        yield "gradients_accumulate", "the gradient of the update before", previous
    yield "other_loss", "a penalty on the squared weights", reading.theta
    if reading.actions is not None:
        Q = numbers(reading.outputs)
        soft = np.exp(Q - Q.max(1, keepdims=True))
        soft = soft / soft.sum(1, keepdims=True)
        soft[np.arange(len(Q)), reading.actions.cpu().numpy()] -= 1.0
        yield "other_loss", "log Σ exp Q − Q, as in conservative Q-learning", reading.pull(soft)


def residual_gradient(reading: Reading, values: Tensor, columns: Columns, h: Hypothesis) -> Tensor:
    """Return Σ w_i (∂Q(s_i, a_i) − f_i γ_i ∂m_i), [P]: the gradient with no stop at the target.

    m is the greedy value of the online network at s', a = argmax_a Q_s(s', a) by the rule.

    Args:
        reading: Of Q(s, ·).
        values: Q(s', ·) of the online network with its graph, [N, A].
        columns: The batch.
        h: How its targets are made.
    """
    assert reading.actions is not None
    greedy = columns.following
    w = columns.slopes(h)[:, 0]
    selects = getattr(greedy, "online" if h.bootstrap == "q" else "target")
    rows, back = np.arange(len(w)), np.zeros(values.shape)
    back[rows, selects.argmax(1)] = -w * columns.factors(h) * columns.discounts
    own = np.zeros(reading.outputs.shape)
    own[rows, numbers(reading.actions).astype(int)] = w
    outputs = [reading.outputs, values]
    return reading.flat(
        reading.gradients(outputs, [torch.as_tensor(x).to(values) for x in (own, back)])
    )


def is_function_of(slopes: np.ndarray, errors: np.ndarray) -> bool:
    """Tell whether w grows with δ throughout: another loss of the same TD errors.

    >>> bool(is_function_of(np.tanh(np.arange(9.0) - 4), np.arange(9.0) - 4))
    True
    >>> bool(is_function_of(np.array([1.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])))
    False
    """
    order = np.argsort(errors)
    steps = np.diff(slopes[order])
    return bool((steps >= -1e-3 * np.abs(slopes).max()).all()) and bool(
        (slopes * errors >= -1e-3 * np.abs(slopes * errors).max()).all()
    )
