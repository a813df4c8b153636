"""DQN of the MinAtar paper (Young & Tian 2019, arXiv:1903.03176).

Source of every number, where nothing else is said: section 4 with appendix A, and
github.com/kenjyoung/MinAtar, examples/dqn.py at commit 4241f24. An agent step is one of its frames.
Departures: its ε begins to fall when learning starts, ours at step 0; the two meet at 105,000 agent
steps. Freeway's time limit truncates here, see environments/minatar.py.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

MINATAR = DQNConfig(
    environment="MinAtar/Breakout-v0",  # all six actions
    total_steps=5_000_000,  # agent steps; NUM_FRAMES
    num_envs=1,
    repeat_action_probability=0.1,  # sticky actions; section 2
    discount=0.99,
    buffer_size=100_000,  # transitions
    batch_size=32,
    learning_starts=5_000,  # agent steps; REPLAY_START_SIZE
    train_period=1,  # agent steps; TRAINING_FREQ
    target_period=1_000,  # agent steps, as many updates; TARGET_NETWORK_UPDATE_FREQ
    optimizer="rmsprop",  # PyTorch's, centred, .95 and .01
    learning_rate=2.5e-4,  # STEP_SIZE
    loss="huber",
    epsilon_start=1.0,
    epsilon_end=0.1,
    exploration_steps=105_000,  # agent steps: REPLAY_START_SIZE + FIRST_N_FRAMES
)
"""The settings of the MinAtar paper."""
