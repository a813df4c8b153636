"""How the behaviour policy of continuous control departs from the one that is evaluated."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.continuous.agent import ContinuousAgent
from qdiverge.agents.once import Once
from qdiverge.agents.settings.continuous_config import ContinuousConfig


def noisy(
    actions: NDArray[np.float32], noise: NDArray[np.float32], deviation: float
) -> NDArray[np.float32]:
    """Return clip(a + σ ε, −1, 1).

    >>> noisy(np.array([[0.5]]), np.array([[2.0]]), 0.1).round(6).tolist()
    [[0.7]]
    """
    return np.clip(actions + deviation * noise, -1.0, 1.0)


class EpsilonUniform:
    """A uniform action of [−1, 1]^k with probability ε; draws from its own generator.

    Args:
        action_size: k.
        seed: int or SeedSequence.

    >>> EpsilonUniform(action_size=1, seed=0).explore(num_envs=2, epsilon=0.0).tolist()
    [[nan], [nan]]
    """

    def __init__(self, action_size: int, seed: int | np.random.SeedSequence) -> None:
        self.action_size = action_size
        self._rng = np.random.default_rng(seed)

    def explore(self, num_envs: int, epsilon: float) -> NDArray[np.float32]:
        """Decide for each environment, before any network is asked.

        Args:
            num_envs: E.
            epsilon: ε in [0, 1].

        Returns:
            [E, k]: a random action, or NaN where the best action is to be taken.
        """
        is_random = self._rng.random(num_envs) < epsilon
        actions = self._rng.uniform(-1.0, 1.0, (num_envs, self.action_size))
        return np.where(is_random[:, None], actions, np.nan).astype(np.float32)

    def undecided(self, actions: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where the best action is to be taken, [E]."""
        return np.isnan(actions[:, 0])


class ContinuousBehaviour:
    """Uniform actions until learning starts, then the agent's own with its noise.

    Args:
        agent: Acts.
        config: Says when learning starts.
        action_size: k.
        seed: Of all that is drawn.
    """

    agent = Once[ContinuousAgent]()
    is_ahead = False

    def __init__(
        self,
        agent: ContinuousAgent,
        config: ContinuousConfig,
        action_size: int,
        seed: np.random.SeedSequence,
    ) -> None:
        self.agent, self.learning_starts = agent, config.learning_starts
        self.action_size = action_size
        self._rng = np.random.default_rng(seed)

    def actions(self, observations: NDArray[Any], step: int) -> NDArray[np.float32]:
        """Return what the environments are to do, [E, k].

        Args:
            observations: [E, d].
            step: Agent steps taken so far.
        """
        shape = (len(observations), self.action_size)
        if step < self.learning_starts:
            return self._rng.uniform(-1.0, 1.0, shape).astype(np.float32)
        noise = self._rng.standard_normal(shape, dtype=np.float32)
        return self.agent.explore(observations, noise)

    def epsilon(self, step: int) -> float | None:
        """Return None: noise on every action takes its place."""

    def temperature(self, step: int) -> float | None:
        """Return None, likewise."""
