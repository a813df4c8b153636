"""Dopamine's DQN with Adam (Castro et al. 2018, arXiv:1812.06110).

Source of every number, where nothing else is said: github.com/google/dopamine,
dopamine/jax/agents/dqn/configs/dqn.gin, compared at commit 5873f54. Departures: its ε begins to
fall when learning starts, ours at step 0; the two meet at 270,000 agent steps. Its loss is δ², ours
δ²/2: beside gradients half as large, Adam's ε weighs twice as much. At that commit its emulator
also cuts episodes at 100,000 frames.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

DOPAMINE = DQNConfig(
    total_steps=50_000_000,  # agent steps: 200 iterations of 250,000
    repeat_action_probability=0.25,  # sticky_actions
    max_episode_frames=108_000,  # emulator frames: 27,000 agent steps
    noop_max=0,  # its environments open without no-ops
    terminal_on_life_loss=False,  # its AtariPreprocessing's default
    discount=0.99,
    buffer_size=1_000_000,  # transitions
    batch_size=32,
    learning_starts=20_000,  # agent steps; min_replay_history
    train_period=4,  # agent steps; update_period
    target_period=8_000,  # agent steps; target_update_period
    optimizer="adam",
    learning_rate=6.25e-5,
    adam_epsilon=1.5e-4,
    loss="mse",  # the agent's default
    epsilon_start=1.0,
    epsilon_end=0.01,  # epsilon_train
    exploration_steps=270_000,  # agent steps: min_replay_history + epsilon_decay_period of 250,000
)
"""Dopamine's settings."""
