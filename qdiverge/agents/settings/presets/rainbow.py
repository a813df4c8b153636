"""Rainbow (Hessel et al. 2018, arXiv:1710.02298): six parts of DQN together.

Source of every number, where nothing else is said: Table 1 and the appendix on preprocessing. The
paper's text was not at hand; every number was compared with two configurations that follow it,
dopamine's full_rainbow.gin (commit 5873f54) and the flags of DQN Zoo's rainbow/run_atari.py (commit
45061f4), and both agree where nothing else is said. Noise starts at the paper's σ₀ = .5 (DQN Zoo:
.1).

Differs from DQN Zoo:

1. Gradients are not cut to a norm of 10.
2. The last layers keep their biases.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig

RAINBOW = DQNConfig(
    total_steps=50_000_000,  # agent steps: 200 million frames
    repeat_action_probability=0.0,  # sticky actions are dopamine's, not the paper's
    noop_max=31,  # fewer than this: up to 30 no-ops, as DQN
    max_episode_frames=108_000,  # emulator frames
    clip_rewards=True,
    terminal_on_life_loss=True,  # DQN Zoo: zero_discount_on_life_loss
    discount=0.99,
    buffer_size=1_000_000,  # transitions
    batch_size=32,
    learning_starts=20_000,  # agent steps: 80K frames, "min history to start learning"
    train_period=4,  # agent steps
    target_period=8_000,  # agent steps: 32K frames
    double=True,
    dueling=True,
    noisy=True,  # "exploration ε 0.0"
    n_step=3,
    prioritized=True,
    priority_exponent=0.5,  # ω
    priority_beta=0.4,  # rises to 1 over the run; dopamine's stays at .5
    distributional=True,
    num_atoms=51,
    value_min=-10.0,
    value_max=10.0,
    optimizer="adam",
    learning_rate=6.25e-5,
    adam_epsilon=1.5e-4,  # DQN Zoo: .005/32, about the same
)
"""The settings of the Rainbow paper."""
