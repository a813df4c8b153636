"""Which states lead where: breadth-first search on the transition graph."""

import numpy as np
from scipy import sparse


def successors(transitions: sparse.csr_array) -> sparse.csr_array:
    """Return the graph [S, S] with an edge s → s' where some action may lead there.

    Args:
        transitions: P as ``[S·A, S]``, or ``[S, S]`` under one policy.
    """
    num_states = transitions.shape[1]
    num_actions = transitions.shape[0] // num_states
    edges = transitions.tocoo()
    source = edges.coords[0] // num_actions
    kept = edges.data > 0
    ones = np.ones(int(kept.sum()))
    where = (source[kept], edges.coords[1][kept])
    return sparse.csr_array((ones, where), shape=(num_states, num_states))


def can_reach(graph: sparse.csr_array, goal: np.ndarray) -> np.ndarray:
    """Return which states have a path into ``goal``, bool ``[S]``; the goal itself does.

    Args:
        graph: edges s → s', ``[S, S]``.
        goal: bool ``[S]``.
    """
    reached = goal.copy()
    frontier = np.flatnonzero(goal)
    backwards = graph.T.tocsr()  # row s' lists the states that lead to it
    while len(frontier):
        into = np.unique(backwards[frontier].indices)
        frontier = into[~reached[into]]
        reached[frontier] = True
    return reached
