"""w → 2w: one weight, two states, and a target that runs ahead of the estimate."""

import numpy as np

from qdiverge.checks import check_share, check_switch
from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.mdp.model import MDP


def w_to_2w(
    discount: float = 0.99, epsilon: float = 0.0, *, first_only: bool = True
) -> LinearProblem:
    """Return the chain 1 → 2 → 2 with V = (w, 2w); with probability ε the second state ends.

    Updating the first state alone gives Δw = α(2γ − 1)w: it diverges iff γ > ½ (Sutton & Barto
    2018, section 11.2). Fitting both by least squares gives w' = γ(6 − 4ε)/5 · w (Tsitsiklis &
    Van Roy 1996; Sutton & Barto 2018, example 11.1). Every reward is 0, so V = 0.

    Args:
        discount: γ.
        epsilon: probability that the second state ends the episode.
        first_only: sample the first state alone; else both, evenly.

    >>> problem = w_to_2w(discount=0.9)
    >>> problem.update(np.ones(1), learning_rate=0.1)  # 1 + 0.1 · (2 · 0.9 − 1)
    array([1.08])
    """
    epsilon = check_share("epsilon", epsilon)
    check_switch("first_only", first_only)
    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = 1
    P[1, 0] = 0, 1 - epsilon, epsilon
    P[2, 0, 2] = 1
    mdp = MDP(P, np.zeros((3, 1)), discount, terminal=[False, False, True], name="w → 2w")
    rho = np.array([1.0, 0, 0] if first_only else [0.5, 0.5, 0])
    return LinearProblem(mdp, np.array([[1.0], [2.0], [0.0]]), rho, np.ones(1))
