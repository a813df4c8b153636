"""Baird's star: off-policy TD with linear features diverges though V = 0 is representable."""

import numpy as np

from qdiverge.mdp.linear_approximation import LinearProblem
from qdiverge.mdp.model import MDP
from qdiverge.mdp.policy_chain import induced_chain

SOLID, DASHED = 0, 1  # to state 7; to one of states 1 … 6, uniformly


def baird_mdp(discount: float = 0.99) -> MDP:
    """Return the seven states with both actions; every reward is 0.

    Source: Baird 1995, in the form of Sutton & Barto 2018, figure 11.1.
    """
    P = np.zeros((7, 2, 7))
    P[:, SOLID, 6] = 1
    P[:, DASHED, :6] = 1 / 6
    return MDP(P, np.zeros((7, 2)), discount, np.full(7, 1 / 7), name="Baird's star")


def baird(discount: float = 0.99) -> LinearProblem:
    """Return the evaluation of the target policy (always to state 7), sampled uniformly.

    v(i) = 2w_i + w_8 for i ≤ 6 and v(7) = w_7 + 2w_8; w₀ = (1, 1, 1, 1, 1, 1, 10, 1). Diverges for
    every small step iff γ > 15/17. State 7 is no end: it pays nothing but has a value to learn.

    >>> baird().kernel[:2, :2]
    array([[5., 1.],
           [1., 5.]])
    """
    Φ = np.zeros((7, 8))
    Φ[:6, :6] = 2 * np.eye(6)
    Φ[:6, 7] = 1
    Φ[6, 6:] = 1, 2
    w = np.array([1.0, 1, 1, 1, 1, 1, 10, 1])
    chain = induced_chain(baird_mdp(discount), np.full(7, SOLID))
    return LinearProblem(chain, Φ, np.full(7, 1 / 7), w)
