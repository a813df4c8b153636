"""Published settings under a name, each number with its source; the rest is the configuration's.

"paper"    of the algorithm's own paper
"cleanrl"  of CleanRL's script, as of its commit 004f8a0
"sb3"      of Stable-Baselines3 2.9
"fast"     ours: classic tasks in a few thousand agent steps on one core; no paper's
"""

from typing import Any

from qdiverge.agents.settings.continuous_config import (
    ContinuousConfig,
    DDPGConfig,
    QLearningConfig,
    SACConfig,
    TD3Config,
)

FAST: dict[str, Any] = {
    "total_steps": 10_000,  # agent steps
    "buffer_size": 10_000,  # transitions: all of them
    "learning_starts": 500,  # agent steps
    "batch_size": 64,
    "hidden_sizes": (64, 64),
    "learning_rate": 1e-3,
    "checkpoint_period": 2_500,  # agent steps
}
SB3: dict[str, Any] = {
    "learning_starts": 100,  # agent steps
    "hidden_sizes": (400, 300),
    "learning_rate": 1e-3,
    "actor_learning_rate": 1e-3,
    "exploration_noise": 0.0,
}
DDPG: dict[str, ContinuousConfig] = {
    # Lillicrap et al. (2016), Experiment details; without the decay of the critic's weights, the
    # batch normalisation and the Ornstein–Uhlenbeck noise (its deviation there: 0.2)
    "paper": DDPGConfig(
        batch_size=64,
        hidden_sizes=(400, 300),
        learning_rate=1e-3,
        actor_learning_rate=1e-4,
        polyak=0.001,
        exploration_noise=0.2,
        learning_starts=64,  # agent steps: a batch; the paper does not say
    ),
    "cleanrl": DDPGConfig(),  # ddpg_continuous_action.py, but for its actor at every 2nd update
    "sb3": DDPGConfig(**SB3),
    "fast": DDPGConfig(**FAST, actor_learning_rate=1e-3),
}

TD3: dict[str, ContinuousConfig] = {
    # Fujimoto et al. (2018), Appendix C; learning starts later on HalfCheetah and Ant: 10,000
    "paper": TD3Config(
        learning_starts=1_000,  # agent steps
        batch_size=100,
        hidden_sizes=(400, 300),
        learning_rate=1e-3,
        actor_learning_rate=1e-3,
    ),
    "cleanrl": TD3Config(),  # td3_continuous_action.py
    "sb3": TD3Config(**SB3),
    "fast": TD3Config(**FAST, actor_learning_rate=1e-3),
}

SAC: dict[str, ContinuousConfig] = {
    # Haarnoja et al. (2018), arXiv:1812.05905, Table 1; the paper's learning_starts is not given
    "paper": SACConfig(learning_starts=1_000),
    # sac_continuous_action.py, but for its two actor steps at every 2nd update
    "cleanrl": SACConfig(learning_rate=1e-3, temperature_learning_rate=1e-3),
    "sb3": SACConfig(learning_starts=100),  # agent steps
    "fast": SACConfig(**FAST, actor_learning_rate=1e-3, temperature_learning_rate=1e-3),
}

Q_LEARNING: dict[str, ContinuousConfig] = {"fast": QLearningConfig(**FAST)}

PRESETS: dict[str, dict[str, ContinuousConfig]] = {
    "ddpg": DDPG,
    "td3": TD3,
    "sac": SAC,
    "qlearning": Q_LEARNING,
}
"""By algorithm, then by name."""
