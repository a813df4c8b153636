"""Kolter's two states: a sampling distribution at which the TD solution is arbitrarily bad."""

import numpy as np

from qdiverge.checks import check_discount, check_finite_number, check_share
from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.mdp.model import MDP


def kolter(p: float, epsilon: float = 0.0, discount: float = 0.99) -> LinearProblem:
    """Return two states with P = ½·1, Φ = (1, 1.05 + ε), D = diag(p, 1 − p) and V = (1, 1.05).

    The rewards are (I − γP)V, so ε is the distance of V from the features. The TD matrix
    ΦᵀD(I − γP)Φ changes its sign at p = 0.715045 (ε = 0) or 0.711397 (ε = .001): past it TD
    diverges, and near it the fixed point is unboundedly bad. On-policy p = ½ is fine.

    Source: Kolter 2011, section 3.1.
    """
    p, discount = check_share("p", p), check_discount(discount)
    epsilon = check_finite_number("epsilon", epsilon)
    P = np.full((2, 2), 0.5)
    values = np.array([1.0, 1.05])
    rewards = values - discount * P @ values
    mdp = MDP(P[:, None, :], rewards[:, None], discount, [0.5, 0.5], name="Kolter's two states")
    return LinearProblem(mdp, np.array([[1.0], [1.05 + epsilon]]), np.array([p, 1 - p]))
