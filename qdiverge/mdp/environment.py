"""The Gymnasium view of an exact MDP; imported only when gymnasium is there."""

from typing import Any

import gymnasium
import numpy as np

from qdiverge.mdp.model import MDP
from qdiverge.mdp.transition_sampling import Sampler


class MDPEnvironment(gymnasium.Env):
    """Play an MDP: rewards are the expected R(s, a), ends are its terminal states and horizon.

    Args:
        mdp: the problem.
        as_features: observe the features ``[k]`` (float32) instead of the state's number.
    """

    def __init__(self, mdp: MDP, *, as_features: bool = False) -> None:
        self.mdp, self.as_features = mdp, as_features
        self.action_space = gymnasium.spaces.Discrete(mdp.num_actions)
        self.observation_space: gymnasium.Space = gymnasium.spaces.Discrete(mdp.num_states)
        if as_features:
            self._features = mdp.features.astype(np.float32)
            self.observation_space = gymnasium.spaces.Box(
                float(self._features.min()), float(self._features.max()), self._features.shape[1:]
            )
        self._sampler = Sampler(mdp)
        self._state: int | None = None
        self._steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode at a state drawn from ``mdp.start``."""
        super().reset(seed=seed, options=options)
        self._sampler.rng = self.np_random
        self._state, self._steps = int(self._sampler.start_states(1)[0]), 0
        return self._observe(), {"state": self._state}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("call reset() before step()")
        reward = float(self.mdp.rewards[self._state, action])
        pair = np.array([self._state]), np.array([int(action)])
        self._state, self._steps = int(self._sampler.next_states(*pair)[0]), self._steps + 1
        terminated = bool(self.mdp.terminal[self._state])
        truncated = not terminated and self._steps == self.mdp.horizon
        return self._observe(), reward, terminated, truncated, {"state": self._state}

    def _observe(self) -> Any:
        return self._features[self._state].copy() if self.as_features else self._state
