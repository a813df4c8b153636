"""CartPole with an MLP, in minutes on one core."""

from qdiverge.agents.config import DQNConfig

CARTPOLE = DQNConfig(
    environment="CartPole-v1",
    total_steps=50_000,  # agent steps
    num_envs=1,
    clip_rewards=False,  # they are 1
    buffer_size=50_000,  # transitions: all of them
    batch_size=64,
    learning_starts=1_000,  # agent steps
    train_period=2,  # agent steps
    target_period=250,  # agent steps
    double=True,
    n_step=3,
    learning_rate=5e-4,
    hidden_sizes=(120, 84),  # as in CleanRL's dqn.py
    epsilon_end=0.04,
    exploration_steps=8_000,  # agent steps
)
"""The settings for CartPole."""
