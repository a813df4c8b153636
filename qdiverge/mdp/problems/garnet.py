"""Garnets: random MDPs with a given number of successors."""

import numpy as np
from scipy import sparse

from qdiverge.checks import check_integer, check_share
from qdiverge.errors import InvalidValueError
from qdiverge.mdp.model import MDP
from qdiverge.thing_checks import check_seed


def garnet(
    num_states: int = 20,
    num_actions: int = 4,
    branching: int = 3,
    discount: float = 0.95,
    *,
    rewarded: float = 0.1,
    seed: int = 0,
) -> MDP:
    """Return a random MDP: ``branching`` distinct successors a pair, with random probabilities.

    The probabilities are the gaps between ``branching − 1`` sorted uniform points on [0, 1], as in
    the source. Chosen here: a share ``rewarded`` of the states (one at least) pays N(0, 1),
    whatever the action, the others 0; the start is uniform; nothing is terminal.

    Source: Archibald, McKinnon & Thomas 1995; Bhatnagar et al. 2009 (GARNET).

    Raises:
        InvalidValueError: the branching exceeds the number of states, or a number is below 1.

    >>> garnet(5, 2, 3)
    MDP(garnet(5, 2, 3): 5 states, 2 actions, γ = 0.95, 0 terminal)
    """
    num_states = check_integer("num_states", num_states, 1)
    num_actions = check_integer("num_actions", num_actions, 1)
    branching = check_integer("branching", branching, 1)
    rewarded = check_share("rewarded", rewarded)
    if branching > num_states:
        raise InvalidValueError(
            "garnet needs num_actions ≥ 1 and 1 ≤ branching ≤ num_states",
            got=(num_states, num_actions, branching),
        )
    rng = np.random.default_rng(check_seed(seed))
    N = num_states * num_actions
    cuts = np.sort(rng.random((N, branching - 1)), axis=1)
    probabilities = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    P = sparse.csr_array(
        (
            probabilities.ravel(),
            _distinct(rng, N, num_states, branching).ravel(),
            np.arange(0, N * branching + 1, branching),
        ),
        shape=(N, num_states),
    )
    rewards = np.zeros(num_states)
    paying = rng.choice(num_states, max(1, round(rewarded * num_states)), replace=False)
    rewards[paying] = rng.standard_normal(len(paying))
    start = np.full(num_states, 1 / num_states)
    name = f"garnet({num_states}, {num_actions}, {branching})"
    terminal = np.zeros(num_states, dtype=bool)
    return MDP(P, rewards, discount, start, terminal=terminal, name=name)


def _distinct(rng: np.random.Generator, rows: int, size: int, count: int) -> np.ndarray:
    """Return ``count`` distinct numbers below ``size`` for each row, int [rows, count]."""
    if size <= 4 * count:
        return rng.permuted(np.tile(np.arange(size), (rows, 1)), axis=1)[:, :count]
    drawn = rng.integers(0, size, (rows, count))
    while True:
        ordered = np.sort(drawn, axis=1)
        clash = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if not clash.any():
            return drawn
        drawn[clash] = rng.integers(0, size, (int(clash.sum()), count))
