"""DQN of Mnih et al. (2015), doi:10.1038/nature14236.

Source of every number, where nothing else is said: Extended Data Table 1. Its "frames" are those
that the agent sees, one in four of the emulator's (50 million of them last 38 days at 60 Hz), so
they are agent steps here.

Compared with the published code (github.com/google-deepmind/dqn at commit 9d9b1d1, run_gpu and
dqn/NeuralQLearner.lua) and with DQN Zoo's dqn/run_atari.py (github.com/google-deepmind/dqn_zoo at
commit 45061f4). They agree, but for this: both copy the target network every 10,000 agent steps,
where the table says 10,000 updates, as here (--target-period 10000 is theirs); both let ε begin to
fall when learning starts, ours at step 0, which arrives 50,000 agent steps earlier; the first's
episodes have no bound, the second's that of half an hour, as here; neither presses FIRE. Departure:
weights start as PyTorch starts them.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

NATURE = DQNConfig(
    total_steps=50_000_000,  # agent steps; Methods: Training details
    repeat_action_probability=0.0,  # sticky actions came later
    noop_max=31,  # fewer than this: the table's "no-op max" of 30
    clip_rewards=True,  # Methods: Training details
    terminal_on_life_loss=True,  # Methods: Training details
    discount=0.99,
    buffer_size=1_000_000,  # transitions, 7.06 GB
    batch_size=32,
    learning_starts=50_000,  # agent steps; "replay start size"
    train_period=4,  # agent steps; "update frequency"
    target_period=40_000,  # agent steps: 10,000 updates; "target network update frequency"
    optimizer="nature_rmsprop",  # its three numbers: .95, .95, .01 (of summed gradients)
    learning_rate=2.5e-4,
    loss="huber",  # Methods: the error is clipped to [-1, 1]
    epsilon_start=1.0,
    epsilon_end=0.1,
    exploration_steps=1_000_000,  # agent steps; "final exploration frame"
)
"""The settings of the Nature paper."""
