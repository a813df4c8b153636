"""New problems from old ones: the chain of a policy, many problems as one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from qdiverge.errors import InvalidValueError
from qdiverge.mdp.inputs import check_policy
from qdiverge.mdp.model import MDP


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


def disjoint_union(mdps: Sequence[MDP]) -> MDP:
    """Return many problems side by side as one: a solver run on it solves them all at once.

    States follow one another in the given order; the start mass is shared out evenly.

    Raises:
        InvalidValueError: there is none, or they differ in discount or number of actions.
    """
    if not mdps or len({(m.discount, m.num_actions) for m in mdps}) != 1:
        raise InvalidValueError(
            "disjoint_union needs one or more MDPs of the same discount and number of actions",
            got=sorted({(m.discount, m.num_actions) for m in mdps}),
        )
    return MDP(
        sparse.block_diag([m.transitions for m in mdps], format="csr"),
        np.concatenate([m.rewards for m in mdps]),
        mdps[0].discount,
        np.concatenate([m.start for m in mdps]) / len(mdps),
        terminal=np.concatenate([m.terminal for m in mdps]),
        name=f"{len(mdps)} × {mdps[0].name}",
    )


def _choice(mdp: MDP, policy: ArrayLike) -> sparse.csr_array:
    """Return π as a matrix [S, S·A]."""
    S, A = mdp.rewards.shape
    rows = check_policy(policy, S, A)
    return sparse.csr_array((rows.ravel(), np.arange(S * A), np.arange(0, S * A + 1, A)))
