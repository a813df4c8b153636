"""How the behaviour policy departs from the greedy one: by ε, or by a softmax of the values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.errors import InvalidValueError


class EpsilonGreedy:
    """A uniform action with probability ε, the greedy one otherwise; draws from its own generator.

    Args:
        num_actions: A.
        seed: int or SeedSequence.

    >>> policy = EpsilonGreedy(num_actions=6, seed=0)
    >>> policy.explore(num_envs=3, epsilon=0.0).tolist()  # -1: act greedily
    [-1, -1, -1]
    """

    def __init__(self, num_actions: int, seed: int | np.random.SeedSequence) -> None:
        if num_actions < 1:
            raise InvalidValueError("num_actions must be at least 1", got=num_actions)
        self.num_actions = num_actions
        self._rng = np.random.default_rng(seed)

    def explore(self, num_envs: int, epsilon: float) -> NDArray[np.int64]:
        """Decide for each environment, before any network is asked.

        Args:
            num_envs: E.
            epsilon: ε in [0, 1].

        Returns:
            integers [E]: a random action, or -1 where the greedy action is to be taken. What
            is drawn from the generator does not depend on ε.
        """
        is_random = self._rng.random(num_envs) < epsilon
        actions = self._rng.integers(self.num_actions, size=num_envs)
        return np.where(is_random, actions, -1)

    def undecided(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where the best action is to be taken, [E]."""
        return actions < 0


def boltzmann(q_values: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Return the probabilities of a softmax: π(a) = exp(Q_a / τ) / Σ_b exp(Q_b / τ).

    Source: Sutton & Barto (2018), equation 13.2 with preferences Q/τ; Watkins (1989).

    Args:
        q_values: [E, A].
        temperature: τ > 0, in units of Q: large is uniform, small is greedy.

    Returns:
        [E, A].

    >>> boltzmann(np.array([[0.0, np.log(3.0)]]), temperature=1.0).round(3).tolist()
    [[0.25, 0.75]]
    """
    preferences = np.asarray(q_values, dtype=np.float64) / temperature
    weights = np.exp(preferences - preferences.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


class Boltzmann:
    """Draws actions from the softmax of their values, from its own generator.

    Args:
        seed: int or SeedSequence.

    >>> Boltzmann(seed=0).draw(np.array([[0.0, 1.0], [1.0, 0.0]]), temperature=0.01).tolist()
    [1, 0]
    """

    def __init__(self, seed: int | np.random.SeedSequence) -> None:
        self._rng = np.random.default_rng(seed)

    def draw(self, q_values: NDArray[Any], temperature: float) -> NDArray[np.int64]:
        """Return an action for each row.

        Args:
            q_values: [E, A].
            temperature: τ > 0.

        Returns:
            integers [E].
        """
        running = boltzmann(q_values, temperature).cumsum(axis=1)
        mass = self._rng.random((len(running), 1)) * running[:, -1:]
        actions: NDArray[np.int64] = (running <= mass).sum(axis=1)
        return actions
