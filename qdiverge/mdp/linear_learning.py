"""Linear TD and Q-learning, expected and sampled, with hard or smoothed targets."""

import numpy as np

from qdiverge.checks import check_positive
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.linear import LinearProblem
from qdiverge.mdp.sampling import Sampler


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
    target_of = _target_rule(num_updates, learning_rate, target_period, polyak)
    weights = np.empty((num_updates + 1, len(problem.weights)))
    weights[0] = target = problem.weights
    for t in range(num_updates):
        weights[t + 1] = problem.update(weights[t], learning_rate, target)
        target = target_of(t + 1, weights[t + 1], target)
    return weights


def sampled_linear_q_learning(
    problem: LinearProblem,
    num_updates: int,
    learning_rate: float,
    *,
    batch_size: int = 1,
    target_period: int = 1,
    polyak: float | None = None,
    num_seeds: int = 1,
    seed: int = 0,
) -> np.ndarray:
    """Return the weights of sampled updates, ``[T + 1, B, k]`` for B seeds stepped together.

    Each update draws ``batch_size`` pairs from ρ and their successors from P, and averages
    φ(x)(r + γ(1 − d) max_a' φ(s', a')ᵀw̄ − φ(x)ᵀw), whose mean is the expected update.

    Raises:
        InvalidValueError: α, T, C, τ, the batch size or the number of seeds is out of range.
    """
    target_of = _target_rule(num_updates, learning_rate, target_period, polyak)
    for name, count in (("batch_size", batch_size), ("num_seeds", num_seeds)):
        if count < 1:
            raise InvalidValueError(f"{name} must be at least 1", got=count)
    mdp, Φ, A = problem.mdp, problem.features, problem.mdp.num_actions
    sampler, alive = Sampler(mdp, seed), ~mdp.terminal
    per_state = Φ.reshape(mdp.num_states, A, -1)
    weights = np.empty((num_updates + 1, num_seeds, Φ.shape[1]))
    weights[0] = problem.weights
    target = weights[0]
    for t in range(num_updates):
        shape = (num_seeds, batch_size)
        x = sampler.rng.choice(len(Φ), size=shape, p=problem.rho)  # [B, n]
        nexts = sampler.next_states(x // A, x % A)
        following = np.einsum("bnak,bk->bna", per_state[nexts], target).max(-1) * alive[nexts]
        own = np.einsum("bnk,bk->bn", Φ[x], weights[t])
        δ = mdp.rewards.ravel()[x] + mdp.discount * following - own
        step = np.einsum("bn,bnk->bk", δ, Φ[x]) / batch_size
        weights[t + 1] = weights[t] + learning_rate * step
        target = target_of(t + 1, weights[t + 1], target)
    return weights


def _target_rule(num_updates: int, learning_rate: float, period: int, polyak: float | None):  # type: ignore[no-untyped-def]
    """Return (updates done, weights, target) → target."""
    check_positive("learning_rate", learning_rate)
    if num_updates < 1 or period < 1:
        raise InvalidValueError(
            "num_updates and target_period must be at least 1", got=(num_updates, period)
        )
    if polyak is None:
        return lambda count, weights, target: weights if count % period == 0 else target
    if not 0 < polyak <= 1 or period != 1:
        raise InvalidValueError(
            "polyak must lie in (0, 1], without a target_period", got=(polyak, period)
        )
    return lambda count, weights, target: (1 - polyak) * target + polyak * weights
