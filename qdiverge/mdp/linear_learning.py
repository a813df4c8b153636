"""Linear TD and Q-learning, expected, with hard or smoothed targets."""

import numpy as np

from qdiverge.checks import check_integer, check_positive, check_step_share
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.thing_checks import check_instance


def linear_q_learning(
    problem: LinearProblem,
    num_updates: int,
    learning_rate: float,
    *,
    target_period: int = 1,
    polyak: float | None = None,
) -> np.ndarray:
    """Return the weights of the expected updates w ← w + αΦᵀD(T*Q_w̄ − Q_w), ``[T + 1, k]``.

    The target weights w̄ are copied from w every ``target_period`` updates, or follow smoothly,
    w̄ ← (1 − τ)w̄ + τw after each. With one action this is expected TD.

    Args:
        problem: features, sampling distribution and first weights.
        num_updates: T.
        learning_rate: α of ½ Σ ρδ².
        target_period: C; 1 is no target network.
        polyak: τ in (0, 1], instead of a period.

    Raises:
        InvalidValueError: α, T, C or τ is out of range.
    """
    check_instance("problem", problem, LinearProblem)
    num_updates = check_integer("num_updates", num_updates, 1)
    learning_rate = check_positive("learning_rate", learning_rate)
    target_of = target_rule(num_updates, learning_rate, target_period, polyak)
    weights = np.empty((num_updates + 1, len(problem.weights)))
    weights[0] = target = problem.weights
    for t in range(num_updates):
        weights[t + 1] = problem.update(weights[t], learning_rate, target)
        target = target_of(t + 1, weights[t + 1], target)
    return weights


def target_rule(num_updates: int, learning_rate: float, period: int, polyak: float | None):  # type: ignore[no-untyped-def]
    """Return (updates done, weights, target) → target.

    Raises:
        InvalidValueError: a number is out of range.
    """
    check_positive("learning_rate", learning_rate)
    check_integer("num_updates", num_updates, 1)
    check_integer("target_period", period, 1)
    if polyak is None:
        return lambda count, weights, target: weights if count % period == 0 else target
    check_step_share("polyak", polyak)
    if period != 1:
        raise InvalidValueError(
            "a target must be copied or averaged, not both",
            got=f"target_period {period} and polyak {polyak:g}",
        )
    return lambda count, weights, target: (1 - polyak) * target + polyak * weights
