"""DQN under the protocol of Machado et al. (2018), arXiv:1709.06009.

What is not named here is the Nature paper's. Departure: the paper skips five frames, here four are.

The paper's text was not at hand when this was checked. Others who follow its protocol confirm three
of the five numbers: sticky actions of .25 (dopamine, dopamine/jax/agents/dqn/configs/dqn.gin at
commit 5873f54), no life information and all 18 actions (Hafner et al. 2021, arXiv:2010.02193, who
allow half an hour in place of five minutes). The five minutes and the ε are from memory.
"""

from dataclasses import replace

from qdiverge.agents.settings.presets.mnih import NATURE

MACHADO = replace(
    NATURE,
    repeat_action_probability=0.25,  # sticky actions, ς
    terminal_on_life_loss=False,  # an episode ends with the game
    full_action_space=True,
    noop_max=0,  # sticky actions take the place of random openings
    max_episode_frames=18_000,  # emulator frames: 5 minutes; from memory
    epsilon_end=0.01,  # its DQN; from memory
)
"""The protocol with sticky actions."""
