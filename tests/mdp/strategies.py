"""Random MDPs for hypothesis, with and without ends, with ties and with unreachable states."""

import numpy as np
from hypothesis import strategies as st

from qdiverge.mdp import MDP


@st.composite
def mdps(draw, max_states=5, max_actions=3, min_actions=1, discounts=(0.0, 0.5, 0.9, 0.99)):
    S = draw(st.integers(2, max_states))
    A = draw(st.integers(min_actions, max_actions))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    P = rng.random((S, A, S)) * (rng.random((S, A, S)) < draw(st.sampled_from([0.4, 1.0])))
    P[..., 0] += 1e-3
    rewards = rng.integers(-2, 3, (S, A)).astype(float)
    ends = np.arange(S) == (S - 1 if draw(st.booleans()) else S)  # the last state, or none
    P[ends], rewards[ends] = ends, 0.0
    P /= P.sum(2, keepdims=True)
    return MDP(P, rewards, draw(st.sampled_from(discounts)), terminal=ends)
