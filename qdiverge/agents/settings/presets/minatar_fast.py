"""MinAtar within minutes on one core.

The numbers are ours, no paper's; experiments/learning says what they reach. What is not named here
is the MinAtar paper's. Against it: Adam, learning from 1,000 agent steps on, an ε that falls five
times as fast and five times as far, and the actions that matter in the game.
"""

from dataclasses import replace

from qdiverge.agents.settings.presets.young_tian import MINATAR

MINATAR_FAST = replace(
    MINATAR,
    environment="MinAtar/Breakout-v1",  # three actions
    total_steps=100_000,  # agent steps
    learning_starts=1_000,  # agent steps
    optimizer="adam",
    epsilon_end=0.02,
    exploration_steps=20_000,  # agent steps
)
"""The settings for a first run of a MinAtar game."""
