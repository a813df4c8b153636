"""An episode as a spectator sees it: a second emulator, in colour, that is given the same actions.

What the agent sees is grey and small. With the same seed, rules and actions the emulator plays the
same game again, and here it shows it in full; at every step the rewards are held against each
other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.environments.atari import emulator_seeds
from qdiverge.agents.environments.experience import VectorStep
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.evaluation.protocols import Protocol
from qdiverge.agents.evaluation.screens import screen_of
from qdiverge.agents.settings.agent_config import AgentConfig

MOST_FRAMES = 4_500  # 5 minutes of Atari; 450 MB


class Spectator:
    """Watches the first episode of the first environment, up to 4,500 pictures of it.

    Args:
        environments: Which it will watch, under the rules that ``protocol`` gives.
        config: Of the run.
        protocol: The rules.
        seed: What the environments were seeded with.

    Attributes:
        frames: What it has seen, one picture for each agent step: uint8 [height, width, 3].
        rate: Frames a second, as they would be played.

    Raises:
        MissingExtraError: what draws the task is not installed.
    """

    def __init__(
        self, environments: Environments, config: AgentConfig, protocol: Protocol, seed: int
    ) -> None:
        self._is_over = False
        self._screen = screen_of(environments, config, protocol)
        self.rate = self._screen.rate
        try:
            first_seed = int(emulator_seeds(seed, environments.num_envs)[0])
            self.frames: list[NDArray[np.uint8]] = [self._screen.reset(first_seed)]
        except BaseException:
            self._screen.close()
            raise

    def follow(self, actions: NDArray[Any], step: VectorStep) -> None:
        """Give the screen the action of the first environment and look.

        Args:
            actions: [E, ...], those taken.
            step: What came of them.
        """
        if self._is_over:
            return
        reward, frame = self._screen.step(actions[0])
        assert reward == step.rewards[0], "the spectator's game has left the one that is played"
        self.frames.append(frame)
        self._is_over = bool(step.ended[0]) or len(self.frames) >= MOST_FRAMES

    def close(self) -> None:
        """Free the screen; the frames stay."""
        self._screen.close()
