"""Boyan's chain: on-policy linear TD that converges to the truth."""

import numpy as np

from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.mdp.model import MDP
from qdiverge.mdp.policy_value import discounted_visits


def boyan_chain() -> LinearProblem:
    """Return the 13 states 12, 11, …, 0 (in this order), γ = 1, sampled on-policy from state 12.

    A state s ≥ 2 leads to s − 1 or s − 2, each with probability ½, for −3; state 1 leads to 0 for
    −2; state 0 is the end. V(s) = −2s, exact with θ = (−24, −16, −8, 0): the four features
    interpolate linearly between the states 12, 8, 4 and 0.

    Source: Boyan 1999 (LSTD), section 5.
    """
    states = np.arange(12, -1, -1)
    P = np.zeros((13, 1, 13))
    rewards = np.full((13, 1), -3.0)
    for row in range(11):
        P[row, 0, row + 1] = P[row, 0, row + 2] = 0.5
    P[11, 0, 12] = P[12, 0, 12] = 1
    rewards[11:, 0] = -2, 0
    mdp = MDP(P, rewards, 1.0, name="Boyan's chain")
    Φ = np.clip(1 - np.abs(states[:, None] / 4 - np.array([3, 2, 1, 0])), 0, None)  # [13, 4]
    rho = discounted_visits(mdp, np.zeros(13, dtype=np.int64)).ravel()
    return LinearProblem(mdp, Φ, rho)
