"""What a policy is worth, and where it goes."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import spsolve

from qdiverge.checks import check_discount, check_integer, check_nonnegative, check_positive
from qdiverge.mdp.array_checks import check_policy
from qdiverge.mdp.iteration import fixed_point
from qdiverge.mdp.mdp_errors import NoProperPolicyError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.policy_chain import policy_rewards, policy_transitions
from qdiverge.mdp.reachability import can_reach, successors
from qdiverge.thing_checks import check_instance

DIRECT_STATES = 2_000  # beyond, the factors of a random sparse matrix fill memory: iterate instead


def policy_values(
    mdp: MDP, policy: ArrayLike, *, temperature: float = 0.0, tolerance: float = 1e-10
) -> np.ndarray:
    """Return V_π, the solution of (I − γP_π)V = R_π + τH(π), ``[S]``.

    Args:
        mdp: the problem.
        policy: actions ``[S]`` or probabilities ``[S, A]``.
        temperature: τ, the reward for the policy's entropy (soft evaluation).
        tolerance: of the iteration that replaces the direct solution above 2000 states.

    Raises:
        NoProperPolicyError: γ = 1 and the policy never ends from some state.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> policy_values(mdp, [[0.5, 0.5], [1, 0]])  # v = ½(1 + ½v)
    array([0.66666667, 0.        ])
    """
    check_instance("mdp", mdp, MDP)
    temperature = check_nonnegative("temperature", temperature)
    tolerance = check_positive("tolerance", tolerance)
    rows = check_policy(policy, mdp.num_states, mdp.num_actions)
    alive = ~mdp.terminal
    entropy = -(rows * np.log(np.where(rows > 0, rows, 1.0))).sum(1)
    rewards = np.where(alive, policy_rewards(mdp, rows) + temperature * entropy, 0.0)
    P = policy_transitions(mdp, rows)
    check_proper(mdp, P)
    P = sparse.diags_array(alive.astype(float)) @ P
    if mdp.num_states > DIRECT_STATES and mdp.discount < 1:

        def backup(values: np.ndarray) -> np.ndarray:
            return rewards + mdp.discount * (P @ values)

        start = np.zeros(mdp.num_states)
        return fixed_point(backup, start, mdp, tolerance, 1_000_000).value * alive
    return _solve(sparse.eye_array(mdp.num_states) - mdp.discount * P, rewards)


def check_proper(mdp: MDP, P: sparse.csr_array) -> None:
    """Refuse, at γ = 1, a policy's chain ``P`` [S, S] that never ends from some state.

    Raises:
        NoProperPolicyError: it does not.
    """
    if mdp.discount < 1.0:
        return
    ends = can_reach(successors(P), mdp.terminal)
    if not ends.all():
        raise NoProperPolicyError(
            "at discount 1 a policy must reach a terminal state from everywhere",
            got=f"no end from state {int(np.flatnonzero(~ends)[0])}",
            remedy="Pass a proper policy, or discount < 1.",
        )


def discounted_visits(mdp: MDP, policy: ArrayLike, discount: float | None = None) -> np.ndarray:
    """Return d(s, a) = Σ_t γᵗ Pr(s_t = s, a_t = a) over states that are not terminal, normalised.

    Args:
        mdp: the problem.
        policy: actions ``[S]`` or probabilities ``[S, A]``.
        discount: γ of the weights, the problem's own by default; 1 counts expected visits.

    Returns:
        A distribution ``[S, A]``.

    Raises:
        NoProperPolicyError: the discount is 1 and the policy never ends.
    """
    check_instance("mdp", mdp, MDP)
    γ = mdp.discount if discount is None else check_discount(discount)
    rows = check_policy(policy, mdp.num_states, mdp.num_actions)
    P = policy_transitions(mdp, rows)
    alive = sparse.diags_array((~mdp.terminal).astype(float))
    if γ == 1.0 and not can_reach(successors(P), mdp.terminal).all():
        raise NoProperPolicyError(
            "visits without discount need a policy that ends from every state",
            remedy="Pass discount < 1, or visits_within a horizon.",
        )
    visits = _solve((sparse.eye_array(mdp.num_states) - γ * alive @ P @ alive).T, alive @ mdp.start)
    pairs = visits.clip(min=0)[:, None] * rows
    return pairs / pairs.sum()


def visits_within(mdp: MDP, policy: ArrayLike, horizon: int, discount: float = 1.0) -> np.ndarray:
    """Return the distribution of (s, a) over the first ``horizon`` steps of an episode, ``[S, A]``.

    Steps after the end of an episode do not count; ``discount`` weighs step t by γᵗ.

    Raises:
        InvalidValueError: the horizon is below 1.
    """
    check_instance("mdp", mdp, MDP)
    horizon, discount = check_integer("horizon", horizon, 1), check_discount(discount)
    rows = check_policy(policy, mdp.num_states, mdp.num_actions)
    alive = ~mdp.terminal
    forward = policy_transitions(mdp, rows).T.tocsr()  # [S', S]
    now, visits, weight = mdp.start * alive, np.zeros(mdp.num_states), 1.0
    for _ in range(horizon):
        visits += weight * now
        now, weight = (forward @ now) * alive, weight * discount
    pairs = visits[:, None] * rows
    return pairs / pairs.sum()


def _solve(matrix: sparse.sparray, right: np.ndarray) -> np.ndarray:
    """Solve a sparse system."""
    return np.atleast_1d(spsolve(matrix.tocsc(), right))
