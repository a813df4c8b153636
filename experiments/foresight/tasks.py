"""The study's environments, each with rewards whose bound r_max = 1 no good policy comes near.

Tasks that pay 1 for every step have Q* at the very bound r_max/(1−γ): a healthy network there
passes it by a hair. Here they pay for the end instead, which is the same task: CartPole as Sutton
& Barto have it (−1 for the fall), InvertedPendulum likewise (its reward less 1), Acrobot and
MountainCar 1 at the goal. Importing this registers them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from qdiverge.mdp import MDP, as_environment
from qdiverge.mdp.problems import cliffwalk, four_rooms, gridworld, mountain_car, sparse_graph
from qdiverge.mdp.problems.four_rooms import ROOMS

MAZE = [
    "S...#...",
    ".##.#.#.",
    "..#...#.",
    "#.####..",
    "......#.",
    ".####.#.",
    ".#....#.",
    "...##..G",
]
UNIT = 4.0  # cells: a position is (row, column) in these units


def by_position(mdp: MDP, map_rows: list[str]) -> MDP:
    """Return a gridworld observed by place, counted from the upper left; its end as (0, 0)."""
    free = np.array([[tile != "#" for tile in row] for row in map_rows])
    observations = np.append(np.argwhere(free) / UNIT, np.zeros((1, 2)), axis=0)
    return MDP(
        mdp.transitions, mdp.rewards, mdp.discount, mdp.start, observations, mdp.terminal,
        mdp.horizon, mdp.name,
    )  # fmt: skip


MAKERS: dict[str, Callable[[], MDP]] = {
    "Maze": lambda: by_position(gridworld(MAZE, slip=0.05), MAZE),
    "SparseGraph": lambda: sparse_graph(100, reward=1.0),
    "FourRooms": lambda: by_position(four_rooms(), ROOMS),
    "Cliffwalk": lambda: cliffwalk(reward=1.0),
    "MountainCar": lambda: mountain_car(reward=1.0),
}


def make_tabular(problem: str) -> gymnasium.Env:
    """Make the Gymnasium view of a tabular problem, observed through its features."""
    return as_environment(MAKERS[problem](), as_features=True)


def make_shifted(name: str, shift: float, **options: Any) -> gymnasium.Env:
    """Make a Gymnasium task whose rewards are all larger by ``shift``."""
    task = gymnasium.make(name, **options)
    return gymnasium.wrappers.TransformReward(task, lambda reward: float(reward) + shift)


for _name in MAKERS:
    gymnasium.register(
        f"foresight/{_name}-v0",
        entry_point="experiments.foresight.tasks:make_tabular",
        kwargs={"problem": _name},
        max_episode_steps=200,
    )
for _name, _kwargs in {
    "CartPole": {"name": "CartPole-v1", "shift": 0.0, "sutton_barto_reward": True},
    "Acrobot": {"name": "Acrobot-v1", "shift": 1.0},
    "InvertedPendulum": {"name": "InvertedPendulum-v5", "shift": -1.0},
}.items():
    gymnasium.register(
        f"foresight/{_name}-v0",
        entry_point="experiments.foresight.tasks:make_shifted",
        kwargs=_kwargs,
    )
