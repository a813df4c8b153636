"""Published settings under a name, each number with its source.

Common to all for Atari, and ours: eight environments are stepped in turn where the sources step
one, frames are those of ale-py's vector environment, which presses FIRE once in the opening of a
game that waits for it and not after a lost life, and all of them restart at each checkpoint.
Weights start as PyTorch starts them.
"""

from qdiverge.agents.config import DQNConfig
from qdiverge.agents.presets.cartpole import CARTPOLE
from qdiverge.agents.presets.cleanrl import CLEANRL
from qdiverge.agents.presets.dopamine import DOPAMINE
from qdiverge.agents.presets.fast import FAST
from qdiverge.agents.presets.machado import MACHADO
from qdiverge.agents.presets.minatar import MINATAR
from qdiverge.agents.presets.minatar_fast import MINATAR_FAST
from qdiverge.agents.presets.nature import NATURE
from qdiverge.agents.presets.rainbow import RAINBOW

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
