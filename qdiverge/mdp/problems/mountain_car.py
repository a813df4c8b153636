"""The mountain car on a table: 56 positions × 32 speeds, 3 actions."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import deterministic
from qdiverge.mdp.problems.gridworld import absorb

LEFT_END, RIGHT_END, GOAL, MAX_SPEED = -1.2, 0.55, 0.5, 0.06
SUBSTEPS = 3  # steps of the dynamics in one action


def mountain_car(
    num_positions: int = 56, num_speeds: int = 32, discount: float = 0.95, *, reward: float = 10.0
) -> MDP:
    """Return driving out of a valley: states are the lower corners of the bins.

    Three times an action: v += 0.001(a − 1) − 0.0025 cos 3x, clipped to ±0.06, x += v, clipped to
    [−1.2, 0.55], with v = 0 at the left wall; the result falls into its bin. Acting where x ≥ 0.5
    pays ``reward`` and ends. The start is x = −0.5 at rest; episodes last at most 100 steps.
    Observations are (x, v), and 0 for the end.

    Source: Fu et al. 2019 (Gymnasium's MountainCar, on a table); numbers of the authors' code.
    State number: position bin + num_positions · speed bin.
    """
    num_positions = check_integer("num_positions", num_positions, 1)
    num_speeds = check_integer("num_speeds", num_speeds, 1)
    size = (RIGHT_END - LEFT_END) / num_positions, 2 * MAX_SPEED / num_speeds
    corner_x = np.tile(LEFT_END + size[0] * np.arange(num_positions), num_speeds)
    corner_v = np.repeat(-MAX_SPEED + size[1] * np.arange(num_speeds), num_positions)
    x, v = (np.repeat(corner[:, None], 3, axis=1) for corner in (corner_x, corner_v))  # [S, A]
    for _ in range(SUBSTEPS):
        v = v + 0.001 * (np.arange(3) - 1) - 0.0025 * np.cos(3 * x)
        v = np.clip(v, -MAX_SPEED, MAX_SPEED - 1e-8)
        x = np.clip(x + v, LEFT_END, RIGHT_END - 1e-8)
        v = np.where((x == LEFT_END) & (v < 0), 0.0, v)

    def state(x: np.ndarray, v: np.ndarray) -> np.ndarray:
        bins = np.floor((x - LEFT_END) / size[0]), np.floor((v + MAX_SPEED) / size[1])
        return (bins[0] + num_positions * bins[1]).astype(int)

    mdp = MDP(
        deterministic(state(x, v)),
        (corner_x >= GOAL).astype(float),
        discount,
        int(state(np.array(-0.5), np.array(0.0))),
        np.stack([corner_x, corner_v], axis=1),
        np.zeros(len(corner_x), dtype=bool),
        horizon=100,
        name="mountain_car",
    )
    return absorb(mdp, reward)
