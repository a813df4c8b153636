"""Which states lead where on the transition graph."""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import dijkstra


def successors(transitions: sparse.csr_array) -> sparse.csr_array:
    """Return the graph [S, S] with an edge s → s' where some action may lead there.

    Args:
        transitions: P as ``[S·A, S]``, or ``[S, S]`` under one policy.
    """
    num_rows, num_states = transitions.shape
    owners = sparse.kron(sparse.eye_array(num_states), np.ones((1, num_rows // num_states)))
    return (owners @ (transitions > 0)).tocsr()


def can_reach(graph: sparse.csr_array, goal: np.ndarray) -> np.ndarray:
    """Return which states have a path into ``goal``, bool ``[S]``; the goal itself does.

    Args:
        graph: edges s → s', ``[S, S]``.
        goal: bool ``[S]``.
    """
    if not goal.any():
        return goal.copy()
    distance = dijkstra(graph.T, indices=np.flatnonzero(goal), unweighted=True, min_only=True)
    return np.isfinite(distance)
