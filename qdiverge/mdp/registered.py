"""The exact MDPs as Gymnasium environments; importing this registers them.

``gymnasium.make("qdiverge/FourRooms-v0")`` observes a state's features, or its number one-hot.
Rewards are expected ones; episodes are truncated at the MDP's horizon, at most LIMIT.
"""

import gymnasium

from qdiverge.mdp import problems
from qdiverge.mdp.environment import MDPEnvironment

LIMIT = 200  # steps
PROBLEMS = {
    "Cliffwalk": "cliffwalk",
    "FourRooms": "four_rooms",
    "Gridworld": "random_gridworld",
    "MountainCar": "mountain_car",
    "Pendulum": "pendulum",
    "SparseGraph": "sparse_graph",
}


def make_environment(problem: str) -> gymnasium.Env:
    """Return the Gymnasium view of a problem with its default numbers.

    Args:
        problem: Name of a function of :mod:`qdiverge.mdp.problems`.

    >>> gymnasium.make("qdiverge/Cliffwalk-v0").observation_space.shape
    (16,)
    """
    return MDPEnvironment(getattr(problems, problem)(), as_features=True)


for _name, _problem in PROBLEMS.items():
    gymnasium.register(
        f"qdiverge/{_name}-v0",
        entry_point="qdiverge.mdp.registered:make_environment",
        kwargs={"problem": _problem},
        max_episode_steps=LIMIT,
    )
