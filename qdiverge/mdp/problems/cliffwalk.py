"""The cliffwalk of Fu et al.: one slip and it is back to the start."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import deterministic
from qdiverge.mdp.problems.gridworld import absorb
from qdiverge.thing_checks import check_seed


def cliffwalk(
    num_states: int = 25, discount: float = 0.95, *, reward: float = 10.0, seed: int = 0
) -> MDP:
    """Return a line of states: action 0 falls back to the first, action 1 goes on.

    Going on from the last pays ``reward`` and ends, so V(0) = γ^{num_states−1}·reward. Observations
    are 16 numbers uniform on [−1, 1] per state, 0 for the end.

    Source: Fu et al. 2019; sizes, reward and time limit are those of the authors' code.

    >>> cliffwalk(3).num_states  # the end is a further state
    4
    """
    num_states = check_integer("num_states", num_states, 1)
    forward = np.minimum(np.arange(num_states) + 1, num_states - 1)
    P = deterministic(np.stack([np.zeros(num_states, dtype=np.int64), forward], axis=1))
    rewards = np.zeros((num_states, 2))
    rewards[-1, 1] = 1.0
    features = np.random.default_rng(check_seed(seed)).uniform(-1, 1, (num_states, 16))
    return absorb(MDP(P, rewards, discount, 0, features, horizon=50, name="cliffwalk"), reward)
