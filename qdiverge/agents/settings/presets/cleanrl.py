"""CleanRL's DQN for Atari (Huang et al. 2022, arXiv:2111.08819).

Source of every number, where nothing else is said: github.com/vwxyzjn/cleanrl,
cleanrl/dqn_atari.py, compared at commit fe8d8a0. Departures: it presses FIRE after each lost life,
too, and action 2 after it; its loss is δ², ours δ²/2, which Adam hardly tells apart.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

CLEANRL = DQNConfig(
    total_steps=10_000_000,  # agent steps; --total-timesteps
    repeat_action_probability=0.0,  # it plays the NoFrameskip-v4 games
    noop_max=31,  # fewer than this: NoopResetEnv(noop_max=30), which has at least one
    terminal_on_life_loss=True,  # EpisodicLifeEnv
    discount=0.99,
    buffer_size=1_000_000,  # transitions
    batch_size=32,
    learning_starts=80_000,  # agent steps
    train_period=4,  # agent steps; --train-frequency
    target_period=1_000,  # agent steps; --target-network-frequency
    optimizer="adam",
    learning_rate=1e-4,
    loss="mse",
    epsilon_start=1.0,
    epsilon_end=0.01,
    exploration_steps=1_000_000,  # agent steps: .10 of them, --exploration-fraction
)
"""CleanRL's settings."""
