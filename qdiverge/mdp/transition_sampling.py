"""Draw transitions from an MDP, many at once."""

import numpy as np

from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_instance, check_seed


class Sampler:
    """Next states and first states, by inversion of the cumulative probabilities.

    One sorted search over all rows of P end to end serves any number of draws.

    >>> mdp = MDP([[[0, 1]], [[0, 1]]], [[1], [0]], 0.5)  # state 0 leads to state 1, the end
    >>> Sampler(mdp, seed=1).next_states(np.array([0, 0]), np.array([0, 0]))
    array([1, 1])
    """

    def __init__(self, mdp: MDP, seed: int | np.random.Generator | None = None) -> None:
        check_instance("mdp", mdp, MDP)
        self.mdp, self.rng = mdp, np.random.default_rng(check_seed(seed))
        P = mdp.transitions
        self._first, self._last = P.indptr[:-1], P.indptr[1:] - 1
        self._states, self._cumulative = P.indices.astype(np.int64), np.cumsum(P.data)
        self._start = np.cumsum(mdp.start)

    def next_states(self, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Return s' ~ P(·|s, a) for each pair, int ``[B]``."""
        rows = states * self.mdp.num_actions + actions
        first, last = self._first[rows], self._last[rows]
        before = np.where(first > 0, self._cumulative[first - 1], 0.0)
        drawn = before + self.rng.random(rows.shape) * (self._cumulative[last] - before)
        index = np.searchsorted(self._cumulative, drawn, side="right")
        return self._states[np.clip(index, first, last)]

    def start_states(self, num: int) -> np.ndarray:
        """Return ``num`` draws of the first state, int ``[num]``."""
        drawn = self.rng.random(num) * self._start[-1]
        index = np.searchsorted(self._start, drawn, side="right")
        return np.minimum(index, len(self._start) - 1)
