"""One cell of the study: everything that fixes a run, and its key in the results."""

from collections.abc import Callable
from dataclasses import dataclass

from qdiverge.mdp import MDP
from qdiverge.mdp.problems import cliffwalk, mountain_car, pendulum, random_gridworld, sparse_graph

DOMAINS: dict[str, Callable[[], MDP]] = {
    "grid16_one_hot": lambda: random_gridworld(16, "one_hot"),
    "grid16_random": lambda: random_gridworld(16, "random"),
    "grid64_one_hot": lambda: random_gridworld(64, "one_hot"),
    "grid64_random": lambda: random_gridworld(64, "random"),
    "cliffwalk": cliffwalk,
    "pendulum": pendulum,
    "mountain_car": mountain_car,
    "sparse_graph": sparse_graph,
}
NETWORKS = ("tabular", "linear", "4x4", "16x16", "64x64", "256x256")
WEIGHTINGS = (
    "uniform", "pi", "pi_star", "random", "replay", "replay10", "prioritised", "adversarial", "afm",
)  # fmt: skip
STOPPINGS = ("none", "bellman", "returns")


@dataclass(frozen=True)
class Cell:
    """A run of fitted Q-iteration with oracle access, repeated over seeds.

    Numbers are those of Fu et al. 2019 and their code where nothing else is said.
    """

    study: str
    domain: str
    network: str = "64x64"
    algorithm: str = "exact"
    weighting: str = "uniform"  # of the exact algorithm
    num_samples: int = 128  # new transitions an iteration, of the other two
    gradient_steps: int = 50  # an iteration
    smoothing: float = 1.0  # τ of the target: τT*Q + (1 − τ)Q
    stopping: str = "none"  # by an oracle: which snapshot becomes the next Q
    num_iterations: int = 100
    num_seeds: int = 3
    learning_rate: float = 5e-3  # Adam
    batch_size: int = 128  # of the replay algorithm
    temperature: float = 0.1  # of the soft backup and the policy
