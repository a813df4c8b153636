"""Published settings under a name, each number with its source.

Common to all for Atari, and ours: eight environments are stepped in turn where the sources step
one, frames are those of ale-py's vector environment, which presses FIRE once in the opening of a
game that waits for it and not after a lost life, and all of them restart at each checkpoint.
Weights start as PyTorch starts them.
"""

from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.agents.settings.presets.cartpole import CARTPOLE
from qdiverge.agents.settings.presets.cleanrl import CLEANRL
from qdiverge.agents.settings.presets.dopamine import DOPAMINE
from qdiverge.agents.settings.presets.fast import FAST
from qdiverge.agents.settings.presets.machado import MACHADO
from qdiverge.agents.settings.presets.minatar_fast import MINATAR_FAST
from qdiverge.agents.settings.presets.mnih import NATURE
from qdiverge.agents.settings.presets.rainbow import RAINBOW
from qdiverge.agents.settings.presets.young_tian import MINATAR

PRESETS: dict[str, DQNConfig] = {
    "nature": NATURE,
    "machado": MACHADO,
    "dopamine": DOPAMINE,
    "cleanrl": CLEANRL,
    "rainbow": RAINBOW,
    "fast": FAST,
    "cartpole": CARTPOLE,
    "minatar": MINATAR,
    "minatar_fast": MINATAR_FAST,
}
