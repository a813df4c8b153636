"""Gridworlds: any map, and the random ones of Fu et al. 2019."""

import numpy as np
from scipy import sparse

from qdiverge.checks import (
    check_choice,
    check_finite_number,
    check_integer,
    check_share,
    check_switch,
)
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.mdp_errors import UnreachableStartError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import check_path, deterministic, grid_moves, with_slip
from qdiverge.mdp.reachability import can_reach, successors
from qdiverge.thing_checks import check_list, check_seed, check_text


def gridworld(
    map_rows: list[str], discount: float = 0.95, *, slip: float = 0.0, absorbing: bool = True
) -> MDP:
    """Return the gridworld of a drawing: ``#`` wall, ``S`` start, ``G`` goal, anything else free.

    Actions stay, up, down, left, right; walking into a wall stays. Acting at the goal pays 1 and,
    if ``absorbing``, leads to a further terminal state; else the episode goes on.

    Args:
        map_rows: lines of equal length.
        discount: γ.
        slip: probability that a uniformly random action is taken instead.
        absorbing: whether the goal ends the episode.

    Raises:
        InvalidTypeError: ``map_rows`` is no list of text.
        InvalidValueError: the lines differ in length, or there is not one S and one G.
        UnreachableStartError: walls cut the start off from the goal.

    >>> gridworld(["S.G"])
    MDP(gridworld: 4 states, 5 actions, γ = 0.95, 1 terminal)
    """
    map_rows = check_list("map_rows", map_rows, check_text)
    slip = check_share("slip", slip)
    check_switch("absorbing", absorbing)
    if not map_rows or len({len(row) for row in map_rows}) != 1:
        raise InvalidValueError(
            "map_rows must be lines of equal length", got=[len(row) for row in map_rows]
        )
    tiles = np.array([list(row) for row in map_rows])
    for tile in "SG":
        if (count := int((tiles == tile).sum())) != 1:
            raise InvalidValueError(f"the map must have one {tile}", got=count)
    free = tiles != "#"
    ends = [int(np.flatnonzero(tiles[free] == tile)[0]) for tile in "SG"]
    P = with_slip(deterministic(grid_moves(free)), 5, slip)
    places = tuple(tuple(np.argwhere(tiles == tile)[0].tolist()) for tile in "SG")
    check_path(P, ends[0], ends[1], (places[0], places[1]))
    paying = np.arange(P.shape[1]) == ends[1]
    mdp = MDP(
        P, paying.astype(float), discount, ends[0], terminal=np.zeros(len(paying)), name="gridworld"
    )
    return absorb(mdp, reward=1.0) if absorbing else mdp


def absorb(mdp: MDP, reward: float) -> MDP:
    """Return the MDP in which every pair that pays leads to one further, terminal state.

    What it pays becomes ``reward``. (Fu et al. raise it to 10 where an entropy bonus would
    otherwise outweigh the goal.)

    Raises:
        InvalidValueError, InvalidTypeError: the reward is no finite number.
    """
    reward = check_finite_number("reward", reward)
    S, A = mdp.rewards.shape
    old, pays = mdp.transitions.tocoo(), mdp.rewards.ravel() > 0
    kept, leaving = ~pays[old.coords[0]], np.append(np.flatnonzero(pays), S * A + np.arange(A))
    rows = np.concatenate([old.coords[0][kept], leaving])
    columns = np.concatenate([old.coords[1][kept], np.full(len(leaving), S)])
    data = np.concatenate([old.data[kept], np.ones(len(leaving))])
    P = sparse.coo_array((data, (rows, columns)), shape=(S * A + A, S + 1))
    features = mdp.observations
    return MDP(
        P,
        np.append(np.where(mdp.rewards > 0, reward, 0.0), np.zeros((1, A)), axis=0),
        mdp.discount,
        np.append(mdp.start, 0.0),
        None if features is None else np.append(features, np.zeros((1, features.shape[1])), axis=0),
        np.append(mdp.terminal, True),
        mdp.horizon,
        mdp.name,
    )


def random_gridworld(
    size: int = 16,
    observations: str = "one_hot",
    discount: float = 0.95,
    *,
    wall_ratio: float = 0.2,
    slip: float = 0.05,
    seed: int = 0,
) -> MDP:
    """Return a grid of Fu et al.: random walls, start in the middle, a dense reward.

    Acting in a cell pays max(0, 1 − d/d₀), d its Manhattan distance from the goal and d₀ that of
    the start; the goal does not end the episode. A fifth of the cells are walls; the goal is
    the cell farthest from the start among a random quarter of the cells.

    Observations: "one_hot" is the row's one-hot beside the column's, ``[2·size]`` (the authors'
    code, while their text says one-hot of the state); "random" is ``size`` numbers uniform on
    [−1, 1] per state; "state" is the one-hot of the state.

    Departures from their code: the goal is drawn from the cells that the start can reach, a wall
    is no state (there: a state that is never visited), and the random numbers are numpy's.

    Source: Fu, Kumar, Soh & Levine 2019 (arXiv:1902.10250), section 3.2 and appendix.

    Raises:
        InvalidValueError: ``observations`` is none of the three, or the size below 2.
        UnreachableStartError: the walls enclose the start.
    """
    size = check_integer("size", size, 2)
    check_choice("observations", observations, ("one_hot", "random", "state"))
    wall_ratio, slip = check_share("wall_ratio", wall_ratio), check_share("slip", slip)
    rng = np.random.default_rng(check_seed(seed))
    middle = (size // 2, size // 2)
    others = np.array([i for i in range(size**2) if i != middle[0] * size + middle[1]])
    free = np.ones((size, size), dtype=bool)
    num_walls = min(len(others), int(wall_ratio * size**2))
    free.ravel()[rng.choice(others, num_walls, replace=False)] = False
    cells = np.argwhere(free)
    start = int((cells == middle).all(1).argmax())
    P = deterministic(grid_moves(free))
    here = np.arange(len(cells)) == start
    open_to = np.flatnonzero(can_reach(successors(P).T, here) & ~here)
    if len(open_to) == 0:
        raise UnreachableStartError(
            "the start must have a free neighbour", got=f"seed {seed}", remedy="Try another seed."
        )
    candidates = rng.choice(open_to, min(len(open_to), size**2 // 4), replace=False)
    goal = candidates[np.linalg.norm(cells[candidates] - middle, axis=1).argmax()]
    distance = np.abs(cells - cells[goal]).sum(1)
    rewards = np.clip(1 - distance / distance[start], 0, None)
    features = {
        "one_hot": np.hstack([np.eye(size)[cells[:, 0]], np.eye(size)[cells[:, 1]]]),
        "random": rng.uniform(-1, 1, (len(cells), size)),
        "state": None,
    }[observations]
    return MDP(
        with_slip(P, 5, slip),
        rewards,
        discount,
        start,
        features,
        np.zeros(len(cells)),
        horizon=50 if size <= 16 else 100,  # steps
        name=f"grid{size}_{observations}",
    )
