"""DQN under the protocol of Machado et al. (2018), arXiv:1709.06009.

What is not named here is the Nature paper's. Departures: the paper skips five frames and plays
with all 18 actions; here four are skipped, with the actions that the game knows.

Not compared: the text of the paper was not at hand when the presets were checked. Only the
stickiness of .25 is confirmed, by dopamine's configurations, which cite the paper for it.
"""

from dataclasses import replace

from qdiverge.agents.presets.nature import NATURE

MACHADO = replace(
    NATURE,
    repeat_action_probability=0.25,  # sticky actions, ς
    terminal_on_life_loss=False,  # an episode ends with the game
    noop_max=0,  # sticky actions take the place of random openings
    max_episode_frames=18_000,  # emulator frames: 5 minutes
    epsilon_end=0.01,  # its DQN
)
"""The protocol with sticky actions."""
