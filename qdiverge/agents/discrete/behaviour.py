"""The behaviour policy of discrete actions: uniform until learning starts, then as configured."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.discrete.dqn import DQN
from qdiverge.agents.discrete.policies import Boltzmann, EpsilonGreedy
from qdiverge.agents.once import Once
from qdiverge.agents.schedule import linear_schedule
from qdiverge.agents.settings.dqn_config import DQNConfig


class DiscreteBehaviour:
    """Acts as the configuration explores.

    Args:
        agent: Gives values and greedy actions.
        config: The schedule.
        num_actions: A.
        seed: Of all that is drawn.
    """

    agent = Once[DQN]()

    def __init__(
        self, agent: DQN, config: DQNConfig, num_actions: int, seed: np.random.SeedSequence
    ) -> None:
        self.agent, self.config = agent, config
        self.is_ahead = config.overlap
        self.policy = EpsilonGreedy(num_actions, seed)
        self.softmax = Boltzmann(seed.spawn(1)[0])

    def actions(self, observations: NDArray[Any], step: int) -> NDArray[np.int64]:
        """Return what the environments are to do, integers [E].

        Args:
            observations: [E, ...].
            step: Agent steps taken so far.
        """
        actions = self.policy.explore(len(observations), self.epsilon(step))
        asked, temperature = self.policy.undecided(actions), self.temperature(step)
        if asked.any() and temperature is not None:
            q_values = self.agent.q_values(observations[asked])
            actions[asked] = self.softmax.draw(q_values, temperature)
        elif asked.any():
            actions[asked] = self.agent.act(observations[asked])
        return actions

    def epsilon(self, step: int) -> float:
        """Return 1 until ``learning_starts``, from there on 0 where weights or softmax explore."""
        config = self.config
        if step < config.learning_starts:
            return 1.0
        if config.noisy or config.exploration == "boltzmann":
            return 0.0
        return linear_schedule(
            step, config.epsilon_start, config.epsilon_end, config.exploration_steps
        )

    def temperature(self, step: int) -> float | None:
        """Return τ of Boltzmann exploration; None without it."""
        config = self.config
        if config.exploration != "boltzmann":
            return None
        return linear_schedule(
            step, config.temperature_start, config.temperature_end, config.exploration_steps
        )
