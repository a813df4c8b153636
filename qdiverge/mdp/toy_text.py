"""An exact MDP out of a Gymnasium toy-text environment."""

from typing import Any

import numpy as np
from scipy import sparse

from qdiverge.errors import InvalidTypeError, MissingExtraError
from qdiverge.mdp.model import MDP


def from_gymnasium(environment: Any, discount: float = 0.99) -> MDP:
    """Read P, R and the start out of a toy-text environment (FrozenLake, Taxi, CliffWalking, …).

    Its transitions that end the episode lead here into one further state, number S, terminal; a
    reward that depends on the outcome is replaced by its expectation, which leaves every value as
    it is.

    Args:
        environment: an environment with Gymnasium's table ``P[s][a]`` of (probability, next state,
            reward, terminated), wrapped or not; or its id.
        discount: γ.

    Raises:
        MissingExtraError: an id was given and gymnasium is not installed.
        InvalidTypeError: the environment has no such table.
    """
    if isinstance(environment, str):
        try:
            import gymnasium
        except ImportError as error:
            raise missing_gymnasium() from error
        environment = gymnasium.make(environment)
    bare = getattr(environment, "unwrapped", environment)
    table = getattr(bare, "P", None)
    if not isinstance(table, dict):
        raise InvalidTypeError(
            "the environment must have a table P[s][a] of (probability, next, reward, terminated)",
            got=type(bare).__name__,
            remedy="Pass arrays to qdiverge.mdp.MDP instead.",
        )
    S, A = len(table), len(table[0])
    end, rewards = S, np.zeros((S + 1, A))
    entries = [((end * A + a, end), 1.0) for a in range(A)]
    for s, per_action in table.items():
        for a, outcomes in per_action.items():
            for probability, following, reward, terminated in outcomes:
                entries.append(((s * A + a, end if terminated else int(following)), probability))
                rewards[s, a] += probability * reward
    where, data = zip(*entries, strict=True)
    rows, columns = np.array(where).T
    P = sparse.coo_array((np.array(data), (rows, columns)), shape=((S + 1) * A, S + 1))
    start = getattr(bare, "initial_state_distrib", None)
    mass = None if start is None else np.append(np.asarray(start, dtype=float), 0.0)
    spec = getattr(environment, "spec", None)
    limit, name = (None, "toy-text") if spec is None else (spec.max_episode_steps, spec.id)
    return MDP(P.tocsr(), rewards, discount, mass, horizon=limit, name=name)


def missing_gymnasium() -> MissingExtraError:
    """Return the error for an absent gymnasium."""
    return MissingExtraError(
        "a Gymnasium view needs gymnasium",
        got="it is not installed",
        remedy='pip install "qdiverge[atari]", or pip install gymnasium.',
    )
