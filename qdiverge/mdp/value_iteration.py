"""Value iteration on V and on Q, hard and soft."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from typing_extensions import Self

from qdiverge.mdp.array_checks import check_initial
from qdiverge.mdp.bellman import (
    check_temperature,
    optimal_backup,
    q_from_values,
    soft_maximum,
    soft_policy,
)
from qdiverge.mdp.iteration import fixed_point
from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_instance

MAX_ITERATIONS = 1_000_000


@dataclass(frozen=True, eq=False)
class Solution:
    """What an exact solver found; of each part ‖found − true‖∞ ≤ error_bound."""

    values: np.ndarray  # V [S], 0 at terminal states
    q: np.ndarray  # Q [S, A]
    policy: np.ndarray  # [S, A]; one-hot unless soft
    num_iterations: int
    error_bound: float

    @classmethod
    def of(
        cls,
        mdp: MDP,
        values: np.ndarray,
        num_iterations: int,
        error_bound: float | None = None,
        temperature: float = 0.0,
    ) -> Self:
        """Return what follows from V; its error by ‖V* − V‖ ≤ ‖T*V − V‖/(1 − γ) for None."""
        alive = ~mdp.terminal
        values = values * alive
        q = q_from_values(mdp, values)
        if error_bound is None:
            gap = float(np.abs(q.max(1) - values)[alive].max(initial=0.0))
            error_bound = gap / (1 - mdp.discount) if mdp.discount < 1 else gap
        return cls(values, q, soft_policy(q, temperature), num_iterations, error_bound)

    @property
    def actions(self) -> np.ndarray:
        """Return the most probable action of each state, int ``[S]``."""
        return self.policy.argmax(1)


def value_iteration(
    mdp: MDP,
    tolerance: float = 1e-8,
    *,
    temperature: float = 0.0,
    initial: np.ndarray | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Solution:
    """Return V* by V ← max_a (R + γPV), stopped by the MacQueen–Porteus bounds.

    Args:
        mdp: the problem; sparse, so 10⁵ states are no trouble.
        tolerance: ‖V − V*‖∞ at most (the last change, at γ = 1).
        temperature: τ above 0 gives the soft values τ log Σ exp(Q/τ) of maximum entropy.
        initial: V to start from ``[S]``; 0 by default.
        max_iterations: backups.

    Raises:
        NotConvergedError: they did not suffice.
        InvalidValueError: tolerance, temperature or initial cannot be used.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> value_iteration(mdp).values.round(6)  # 1 + ½ + ¼ + …
    array([2., 0.])
    """
    check_instance("mdp", mdp, MDP)
    check_temperature(temperature)
    alive = ~mdp.terminal
    start = check_initial(initial, mdp.terminal, (mdp.num_states,))

    def backup(values: np.ndarray) -> np.ndarray:
        return soft_maximum(q_from_values(mdp, values), temperature) * alive

    limit = fixed_point(backup, start, mdp, tolerance, max_iterations)
    return Solution.of(mdp, limit.value, limit.num_iterations, limit.error_bound, temperature)


def q_value_iteration(
    mdp: MDP,
    tolerance: float = 1e-8,
    *,
    temperature: float = 0.0,
    initial: np.ndarray | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Solution:
    """Return Q* by Q ← T*Q = R + γP max_a Q, arguments as for :func:`value_iteration`.

    Raises:
        NotConvergedError: ``max_iterations`` backups did not suffice.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> q_value_iteration(mdp).q.round(6)
    array([[2., 0.],
           [0., 0.]])
    """
    check_instance("mdp", mdp, MDP)
    check_temperature(temperature)
    alive = ~mdp.terminal
    start = check_initial(initial, mdp.terminal, mdp.rewards.shape)
    backup = partial(optimal_backup, mdp, temperature=temperature)
    limit = fixed_point(backup, start, mdp, tolerance, max_iterations)
    q = limit.value * alive[:, None]
    return Solution(
        soft_maximum(q, temperature) * alive,
        q,
        soft_policy(q, temperature),
        limit.num_iterations,
        limit.error_bound,
    )
