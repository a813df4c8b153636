"""Tiny tasks with continuous actions whose optimum is known."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from qdiverge.agents.settings.continuous_config import (
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)


class Bandit(gymnasium.Env):
    """One state, one step: r = a / 4 for a in [−2, 2]; a linear critic holds its values exactly."""

    observation_space = Box(0.0, 1.0, (1,), np.float32)
    action_space = Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        return np.ones(1, np.float32), float(action[0]) / 4, True, False, {}


class Unbounded(Bandit):
    """A bandit without bounds."""

    action_space = Box(-np.inf, np.inf, (1,), np.float32)


gymnasium.register("Bandit-v0", entry_point=Bandit)
gymnasium.register("Unbounded-v0", entry_point=Unbounded)

SMALL = {
    "environment": "Pendulum-v1",
    "total_steps": 90,
    "num_envs": 2,
    "learning_starts": 20,
    "buffer_size": 80,  # it goes round
    "batch_size": 8,
    "hidden_sizes": (8, 8),
    "checkpoint_period": 30,
}
AGENTS = {
    "DDPG": DDPGConfig(**SMALL),
    "PreQN-DDPG": DDPGConfig(
        **SMALL, update="preqn", preqn_damping=0.0, preqn_align_with="td_errors"
    ),
    "TD3": TD3Config(**SMALL),
    "SAC": SACConfig(**SMALL),
    "Q-learning, CEM": QLearningConfig(**SMALL),
    "Q-learning, ascent, no target": QLearningConfig(
        **SMALL, maximiser="gradient", ascent_rounds=3, polyak=None
    ),
}
