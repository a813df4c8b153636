"""Tiny tasks with continuous actions whose optimum is known."""

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from qdiverge.agents.settings.continuous import DDPGConfig, QLearningConfig, SACConfig, TD3Config

BEST = 0.6  # of the bandit, in its own units; 0.3 in the agent's


class Bandit(gymnasium.Env):
    """One state, one step: r = −(a − 0.6)² / 4 for a in [−2, 2]."""

    observation_space = Box(0.0, 1.0, (1,), np.float32)
    action_space = Box(-2.0, 2.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.ones(1, np.float32), {}

    def step(self, action):
        reward = -((float(action[0]) - BEST) ** 2) / 4
        return np.ones(1, np.float32), reward, True, False, {}


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
