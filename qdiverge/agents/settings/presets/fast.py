"""Pong in 1 to 1.5 million agent steps: the defaults of DQNConfig, under a name.

The numbers are common practice for Pong (a small replay, a fast ε, a young target network) rather
than any paper's.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

FAST = DQNConfig(
    environment="ALE/Pong-v5",
    total_steps=1_500_000,  # agent steps
    buffer_size=100_000,  # transitions, .7 GB
    learning_starts=10_000,  # agent steps
    target_period=1_000,  # agent steps
    learning_rate=1e-4,
    epsilon_end=0.02,
    exploration_steps=100_000,  # agent steps
)
"""The settings for a first run of Pong."""
