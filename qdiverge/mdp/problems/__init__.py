"""Problems whose truth is known, one a file."""

from qdiverge.mdp.problems.averager import nearest_averager
from qdiverge.mdp.problems.baird import baird, baird_mdp
from qdiverge.mdp.problems.boyan import boyan_chain
from qdiverge.mdp.problems.cliffwalk import cliffwalk
from qdiverge.mdp.problems.four_rooms import four_rooms
from qdiverge.mdp.problems.garnet import garnet
from qdiverge.mdp.problems.gridworld import gridworld, random_gridworld
from qdiverge.mdp.problems.kolter import kolter
from qdiverge.mdp.problems.mountain_car import mountain_car
from qdiverge.mdp.problems.pendulum import pendulum
from qdiverge.mdp.problems.sparse_graph import sparse_graph
from qdiverge.mdp.problems.spiral import Spiral
from qdiverge.mdp.problems.w_to_2w import w_to_2w

__all__ = [
    "Spiral",
    "baird",
    "baird_mdp",
    "boyan_chain",
    "cliffwalk",
    "four_rooms",
    "garnet",
    "gridworld",
    "kolter",
    "mountain_car",
    "nearest_averager",
    "pendulum",
    "random_gridworld",
    "sparse_graph",
    "w_to_2w",
]
