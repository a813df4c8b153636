"""Linear Q-learning by samples: in the mean it must be the expected one."""

import numpy as np

from qdiverge.errors import InvalidValueError
from qdiverge.mdp import LinearProblem, Sampler
from qdiverge.mdp.linear_learning import target_rule


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
    target_of = target_rule(num_updates, learning_rate, target_period, polyak)
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
