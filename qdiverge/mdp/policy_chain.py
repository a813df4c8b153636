"""The chain that a policy makes of a problem."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from qdiverge.mdp.array_checks import check_policy
from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_instance


def policy_transitions(mdp: MDP, policy: ArrayLike) -> sparse.csr_array:
    """Return P_π(s'|s) = Σ_a π(a|s) P(s'|s, a), ``[S, S]``.

    Args:
        mdp: the problem.
        policy: actions ``[S]`` or probabilities ``[S, A]``.
    """
    return (_choice(mdp, policy) @ mdp.transitions).tocsr()


def policy_rewards(mdp: MDP, policy: ArrayLike) -> np.ndarray:
    """Return R_π(s) = Σ_a π(a|s) R(s, a), ``[S]``."""
    return (check_policy(policy, mdp.num_states, mdp.num_actions) * mdp.rewards).sum(1)


def induced_chain(mdp: MDP, policy: ArrayLike) -> MDP:
    """Return the problem that is left when ``policy`` chooses: one action, P_π and R_π.

    On it T* is T^π, so every solver and operator of control also evaluates a policy.

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], 0.5)
    >>> induced_chain(mdp, [0, 0]).num_actions
    1
    """
    check_instance("mdp", mdp, MDP)
    return MDP(
        policy_transitions(mdp, policy),
        policy_rewards(mdp, policy)[:, None],
        mdp.discount,
        mdp.start,
        mdp.observations,
        mdp.terminal,
        mdp.horizon,
        f"{mdp.name} under a policy",
    )


def _choice(mdp: MDP, policy: ArrayLike) -> sparse.csr_array:
    """Return π as a matrix [S, S·A]."""
    S, A = mdp.rewards.shape
    rows = check_policy(policy, S, A)
    return sparse.csr_array((rows.ravel(), np.arange(S * A), np.arange(0, S * A + 1, A)))
