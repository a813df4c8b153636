"""Policy iteration: evaluate, then be greedy, until nothing improves."""

import numpy as np
from numpy.typing import ArrayLike

from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.array_checks import check_policy
from qdiverge.mdp.bellman import q_from_values
from qdiverge.mdp.iteration import fixed_point
from qdiverge.mdp.mdp_errors import NotConvergedError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.policy_value import policy_values
from qdiverge.mdp.value_iteration import Solution
from qdiverge.thing_checks import check_instance


def policy_iteration(
    mdp: MDP, initial: ArrayLike | None = None, *, max_iterations: int = 1_000
) -> Solution:
    """Return V* by exact evaluation and greedy improvement; each V_π is at least the last.

    An action is left only for one that is better beyond rounding, so ties cannot cycle, and at
    γ = 1 a proper policy stays proper.

    Source: Howard 1960.

    Args:
        mdp: the problem.
        initial: actions ``[S]``; by default greedy for the rewards (at γ = 1, shortest to the end).
        max_iterations: improvements.

    Raises:
        NotConvergedError: the improvements went on.
        NoProperPolicyError: γ = 1 and a policy on the way never ends.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> policy_iteration(mdp, [1, 1]).values
    array([2., 0.])
    """
    check_instance("mdp", mdp, MDP)
    max_iterations = check_integer("max_iterations", max_iterations, 1)
    actions = _first(mdp)
    if initial is not None:
        rows = check_policy(initial, mdp.num_states, mdp.num_actions)
        if rows.max(1).min() < 1:
            raise InvalidValueError("initial must be actions [S]", got="probabilities")
        actions = rows.argmax(1)
    states = np.arange(mdp.num_states)
    for count in range(1, max_iterations + 1):
        values = policy_values(mdp, actions)
        q = q_from_values(mdp, values)
        scale = max(1.0, float(np.abs(q).max()))
        slack = 1e-12 * scale / max(1 - mdp.discount, 1e-3)
        better = q.max(1) > q[states, actions] + slack
        if not better.any():
            # ‖V* − V_π‖ ≤ ‖T*V_π − V_π‖/(1 − γ)
            gap = float(np.abs(q.max(1) - values)[~mdp.terminal].max(initial=0.0))
            bound = gap / (1 - mdp.discount) if mdp.discount < 1 else gap
            policy = np.eye(mdp.num_actions)[actions]
            return Solution(values, q, policy, count, bound)
        actions = np.where(better, q.argmax(1), actions)
    raise NotConvergedError(
        f"policy iteration must end within {max_iterations} improvements",
        got=f"{int(better.sum())} states still improving",
        remedy="Raise max_iterations.",
    )


def modified_policy_iteration(
    mdp: MDP, tolerance: float = 1e-8, *, num_sweeps: int = 30, max_iterations: int = 100_000
) -> Solution:
    """Return V* by a greedy backup and ``num_sweeps`` sweeps of the policy it finds, in turn.

    A sweep costs a fraction 1/A of a backup, so this is the fast way on 10⁵ states. The bounds of
    :func:`value_iteration` hold at each backup, whatever the sweeps did before it.

    Source: Puterman & Shin 1978.

    Raises:
        NotConvergedError: ``max_iterations`` backups did not suffice.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> modified_policy_iteration(mdp).values.round(6)
    array([2., 0.])
    """
    check_instance("mdp", mdp, MDP)
    num_sweeps = check_integer("num_sweeps", num_sweeps, 0)
    S, A = mdp.rewards.shape
    first = np.arange(S) * A
    greedy = np.zeros(S, dtype=np.int64)

    def backup(values: np.ndarray) -> np.ndarray:
        q = q_from_values(mdp, values)
        greedy[:] = q.argmax(1)
        return q[np.arange(S), greedy]

    def sweeps(values: np.ndarray) -> np.ndarray:
        P, R = mdp.continuing[first + greedy], mdp.rewards[np.arange(S), greedy]
        for _ in range(num_sweeps):
            values = R + mdp.discount * (P @ values)
        return values

    limit = fixed_point(backup, np.zeros(S), mdp, tolerance, max_iterations, sweeps)
    return Solution.of(mdp, limit.value, limit.num_iterations, limit.error_bound)


def _first(mdp: MDP) -> np.ndarray:
    """Return the actions [S] to begin with: at γ = 1 each leads nearer to the end."""
    if mdp.discount < 1:
        return mdp.rewards.argmax(1)
    S, A = mdp.rewards.shape
    done, actions = mdp.terminal.copy(), np.zeros(S, dtype=np.int64)
    while not done.all():
        nearer = ((mdp.transitions @ done.astype(float)) > 0).reshape(S, A)
        new = nearer.any(1) & ~done
        actions[new] = nearer[new].argmax(1)
        done |= new
    return actions
