"""Behaviour policies over tables of Q-values: functions (q [B, A], rng) → actions [B]."""

from collections.abc import Callable

import numpy as np

from qdiverge.checks import check_share

Exploration = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def epsilon_greedy(epsilon: float) -> Exploration:
    """Return the policy that is uniform with probability ε and else greedy, ties at random.

    Raises:
        InvalidValueError: ε is outside [0, 1].
    """
    epsilon = check_share("epsilon", epsilon)

    def choose(q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        score = rng.random(q.shape)
        best = np.where(q == q.max(-1, keepdims=True), score, -1.0).argmax(-1)
        return np.where(rng.random(len(q)) < epsilon, score.argmax(-1), best)

    return choose
