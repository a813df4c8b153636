"""The sparse graph of Fu et al.: random links, one of which leads home."""

import numpy as np

from qdiverge.checks import check_integer
from qdiverge.mdp.mdp_errors import UnreachableStartError
from qdiverge.mdp.model import MDP
from qdiverge.mdp.problems.grid import deterministic
from qdiverge.mdp.problems.gridworld import absorb
from qdiverge.thing_checks import check_seed

HORIZON = 10  # steps of an episode


def sparse_graph(
    num_states: int = 500,
    num_actions: int = 3,
    discount: float = 0.95,
    *,
    reward: float = 10.0,
    seed: int = 0,
) -> MDP:
    """Return a random graph: action 0 stays, every other leads to one random state.

    Acting in one random state pays ``reward`` and ends. Observations are 4 numbers uniform on
    [−1, 1] per state; episodes last at most 10 steps; the start is state 0.

    Source: Fu et al. 2019; numbers of the authors' code. Departures: the rewarded state is one that
    an episode can reach in time (theirs may not be), and the links are uniform.

    Raises:
        InvalidValueError: a number is out of range.
        UnreachableStartError: no link leads away from the start.
    """
    num_states = check_integer("num_states", num_states, 1)
    num_actions = check_integer("num_actions", num_actions, 1)
    rng = np.random.default_rng(check_seed(seed))
    table = rng.integers(0, num_states, (num_states, num_actions))
    table[:, 0] = np.arange(num_states)
    rewards = np.zeros(num_states)
    reached = np.arange(num_states) == 0
    for _ in range(HORIZON - 1):
        reached[table[reached]] = True
    if reached.sum() == 1:
        raise UnreachableStartError(
            "a link must lead away from the start", got=f"seed {seed}", remedy="Try another seed."
        )
    rewards[rng.choice(np.flatnonzero(reached)[1:])] = 1.0
    features = rng.uniform(-1, 1, (num_states, 4))
    mdp = MDP(
        deterministic(table),
        rewards,
        discount,
        0,
        features,
        horizon=HORIZON,
        name="sparse_graph",
        terminal=np.zeros(num_states, dtype=bool),
    )
    return absorb(mdp, reward)
