"""Behaviour policies over tables of Q-values: functions (q [B, A], rng) → actions [B]."""

from collections.abc import Callable

import numpy as np

from qdiverge.checks import check_share
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.bellman import check_temperature, soft_policy

Exploration = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def epsilon_greedy(epsilon: float) -> Exploration:
    """Return the policy that is uniform with probability ε and else greedy, ties at random.

    Raises:
        InvalidValueError: ε is outside [0, 1].
    """
    check_share("epsilon", epsilon)

    def choose(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        score = rng.random(q.shape)
        best = np.where(q == q.max(-1, keepdims=True), score, -1.0).argmax(-1)
        return np.where(rng.random(len(q)) < epsilon, score.argmax(-1), best)

    return choose


def boltzmann(temperature: float) -> Exploration:
    """Return the policy π(a) ∝ exp(Q_a/τ), τ > 0.

    Raises:
        InvalidValueError: τ is not above 0.
    """
    if check_temperature(temperature) == 0:
        raise InvalidValueError(
            "a Boltzmann temperature must be above 0", got=0, remedy="Greedy: epsilon_greedy(0)."
        )

    def choose(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        cumulative = soft_policy(q, temperature).cumsum(-1)
        drawn = rng.random((len(q), 1)) * cumulative[:, -1:]
        return np.minimum((drawn >= cumulative).sum(-1), q.shape[-1] - 1)

    return choose
