"""Moves on a grid with walls: what every gridworld here is made of."""

import numpy as np
from scipy import sparse

from qdiverge.mdp.mdp_errors import UnreachableStartError
from qdiverge.mdp.reachability import can_reach, successors

STAY, UP, DOWN, LEFT, RIGHT = 0, 1, 2, 3, 4
MOVES = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])  # (row, column), numbered as above


def grid_moves(free: np.ndarray, moves: np.ndarray = MOVES) -> np.ndarray:
    """Return the state that each move leads to, int ``[S, A]``; into a wall it stays.

    Args:
        free: bool ``[height, width]``; the free cells, row by row, are the states.
        moves: (row, column) steps ``[A, 2]``.

    >>> grid_moves(np.array([[True, True]]))[:, RIGHT]
    array([1, 1])
    """
    number = np.full(free.shape, -1)
    cells = np.argwhere(free)  # [S, 2]
    number[free] = np.arange(len(cells))
    to = cells[:, None, :] + moves  # [S, A, 2]
    inside = ((to >= 0) & (to < free.shape)).all(-1)
    row, column = np.where(inside[..., None], to, 0).transpose(2, 0, 1)
    landed = np.where(inside, number[row, column], -1)
    return np.where(landed >= 0, landed, np.arange(len(cells))[:, None])


def deterministic(next_states: np.ndarray) -> sparse.csr_array:
    """Return P ``[S·A, S]`` of a table of next states, int ``[S, A]``."""
    N = next_states.size
    columns = next_states.ravel()
    return sparse.csr_array((np.ones(N), columns, np.arange(N + 1)), shape=(N, len(next_states)))


def with_slip(P: sparse.csr_array, num_actions: int, slip: float) -> sparse.csr_array:
    """Return (1 − ε)P(·|s, a) + ε/A Σ_b P(·|s, b): with probability ε a random action is taken."""
    S = P.shape[1]
    mean = sparse.kron(sparse.eye_array(S), np.full((num_actions, num_actions), 1 / num_actions))
    return ((1 - slip) * P + slip * (mean @ P)).tocsr()


def check_path(P: sparse.csr_array, start: int, goal: int, places: tuple[object, object]) -> None:
    """Refuse a start that is cut off from the goal.

    Raises:
        UnreachableStartError: there is no way between the two ``places``.
    """
    target = np.zeros(P.shape[1], dtype=bool)
    target[goal] = True
    if not can_reach(successors(P), target)[start]:
        raise UnreachableStartError(
            "the goal must be reachable from the start",
            got=f"no way from {places[0]} to {places[1]}",
            remedy="Open a wall between them.",
        )
