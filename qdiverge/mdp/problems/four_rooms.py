"""Four rooms: the gridworld of Sutton, Precup & Singh 1999."""

import numpy as np

from qdiverge.checks import check_share
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.mdp_errors import UnreachableStartError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import deterministic, grid_moves
from qdiverge.mdp.problems.gridworld import absorb
from qdiverge.tensor_checks import check_array

ROOMS = [
    ".....#.....",
    ".....#.....",
    "...........",
    ".....#.....",
    ".....#.....",
    "#.####.....",
    ".....###.##",
    ".....#.....",
    ".....#.....",
    "...........",
    ".....#.....",
]


def four_rooms(
    discount: float = 0.9, goal: tuple[int, int] = (6, 8), *, slip: float = 1 / 3
) -> MDP:
    """Return the 104 cells of four rooms and the end, with 4 actions: up, down, left, right.

    A move fails with probability ``slip``, and then one of the other three directions, each as
    likely, is tried; into a wall it stays. Acting at the goal pays 1 and ends the episode.

    Source: Sutton, Precup & Singh 1999, section 2. The goal there is a hallway; its default here,
    the lower hallway of the right rooms, and the start in the upper left corner are choices.

    Args:
        discount: γ.
        goal: (row, column) inside the outer walls.
        slip: probability that the move fails.

    Raises:
        UnreachableStartError: the goal is a wall.
        InvalidValueError: it is no (row, column), or a number is out of range.
    """
    slip = check_share("slip", slip)
    if (place := check_array("goal", goal)).shape != (2,):
        raise InvalidValueError("goal must be (row, column)", got=list(place.shape))
    free = np.array([[cell == "." for cell in row] for row in ROOMS])
    table = grid_moves(free, np.array([[-1, 0], [1, 0], [0, -1], [0, 1]]))
    S, A = table.shape
    mixing = np.full((A, A), slip / (A - 1))
    np.fill_diagonal(mixing, 1 - slip)
    moves = deterministic(table).toarray().reshape(S, A, S)
    P = np.einsum("ab,sbt->sat", mixing, moves)
    number = np.flatnonzero((np.argwhere(free) == place).all(1))
    if len(number) == 0:
        raise UnreachableStartError(
            "the goal must be a free cell", got=goal, remedy="The rooms are 11 × 11 cells."
        )
    rewards = np.isin(np.arange(S), number).astype(float)
    return absorb(MDP(P, rewards, discount, 0, name="four rooms"), reward=1.0)
