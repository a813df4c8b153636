"""A single game or task that shows itself in colour: Atari, MinAtar, Gymnasium."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.environments.actions import box_actions, discrete_actions
from qdiverge.agents.environments.atari import FRAME_SKIP, NO_FRAME_LIMIT, AtariEnvironments
from qdiverge.agents.environments.kinds import Environments
from qdiverge.agents.environments.minatar import MinAtarGame, resolve_minatar
from qdiverge.agents.evaluation import protocols
from qdiverge.agents.settings.agent_config import AgentConfig
from qdiverge.agents.settings.dqn_config import DQNConfig
from qdiverge.errors import MissingExtraError

SCREEN = (210, 160)  # pixels of an Atari screen: height, width
EMULATOR_RATE = 60.0  # frames a second
GRID_RATE = 15.0  # frames a second; MinAtar has no clock
GRID_SCALE = 16  # pixels of a cell, each side
# of MinAtar's channels, in their order; where several objects share a cell, the last is seen
COLOURS = np.array(
    [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0),
     (204, 121, 167), (255, 255, 255), (148, 148, 148), (120, 94, 240)],
    dtype=np.uint8,
)  # fmt: skip


class Screen(Protocol):
    """One game; pictures are uint8 [height, width, 3]."""

    rate: float  # frames a second

    def reset(self, seed: int) -> NDArray[np.uint8]:
        """Start the game from a seed; its first picture."""

    def step(self, action: Any) -> tuple[float, NDArray[np.uint8]]:
        """Take one agent step: the reward, and what it looks like then."""

    def close(self) -> None:
        """Free it."""


def screen_of(
    environments: Environments, config: AgentConfig, protocol: protocols.Protocol
) -> Screen:
    """Make a screen for the game that these environments play.

    Args:
        environments: Under the rules that ``protocol`` gives.
        config: Of the run.
        protocol: The rules.

    Raises:
        MissingExtraError: what draws the task is not installed.
    """
    if isinstance(environments, AtariEnvironments):
        return _AtariScreen(environments.game, protocol)
    if resolve_minatar(environments.task) is not None:
        assert isinstance(config, DQNConfig)
        return _GridScreen(environments.task, config)
    return _TaskScreen(environments.task, is_continuous=environments.action_size > 0)


class _AtariScreen:
    rate = EMULATOR_RATE / FRAME_SKIP

    def __init__(self, game: str, protocol: protocols.Protocol) -> None:
        from ale_py.vector_env import AtariVectorEnv
        from gymnasium.vector import AutoresetMode

        self._emulator = AtariVectorEnv(
            game,
            1,
            num_threads=1,
            max_num_frames_per_episode=NO_FRAME_LIMIT,
            repeat_action_probability=protocol.repeat_action_probability or 0.0,
            noop_max=(protocol.most_noops or 0) + 1,
            frameskip=FRAME_SKIP,
            stack_num=1,
            grayscale=False,
            img_height=SCREEN[0],
            img_width=SCREEN[1],
            autoreset_mode=AutoresetMode.SAME_STEP,
            reward_clipping=False,
        )

    def reset(self, seed: int) -> NDArray[np.uint8]:
        observations, _ = self._emulator.reset(seed=np.array([seed], dtype=np.int64))
        return self._picture(observations)

    def step(self, action: Any) -> tuple[float, NDArray[np.uint8]]:
        observations, rewards, terminated, _, info = self._emulator.step(np.array([action]))
        shown = info["final_obs"] if terminated[0] else observations
        return float(rewards[0]), self._picture(shown)

    def close(self) -> None:
        self._emulator.close()

    def _picture(self, observations: Any) -> NDArray[np.uint8]:
        return np.array(observations[0], dtype=np.uint8).reshape(*SCREEN, 3)


class _GridScreen:
    rate = GRID_RATE

    def __init__(self, task: str, config: DQNConfig) -> None:
        self._game = MinAtarGame(
            task,
            repeat_action_probability=config.repeat_action_probability,
            max_steps=config.max_episode_frames,
        )

    def reset(self, seed: int) -> NDArray[np.uint8]:
        return self._picture(self._game.reset(seed=seed))

    def step(self, action: Any) -> tuple[float, NDArray[np.uint8]]:
        grid, reward, _, _ = self._game.step(action)
        return float(np.float32(reward)), self._picture(grid)

    def close(self) -> None:
        self._game.close()

    def _picture(self, grid: NDArray[np.bool_]) -> NDArray[np.uint8]:
        picture = np.zeros((*grid.shape[1:], 3), dtype=np.uint8)
        for channel, cells in enumerate(grid):
            picture[cells] = COLOURS[channel % len(COLOURS)]
        return picture.repeat(GRID_SCALE, axis=0).repeat(GRID_SCALE, axis=1)


class _TaskScreen:
    def __init__(self, task: str, *, is_continuous: bool) -> None:
        import gymnasium

        self._name = task
        try:
            self._task = gymnasium.make(task, render_mode="rgb_array")
        except gymnasium.error.Error as error:
            raise _cannot_draw(task, error) from error
        read = box_actions if is_continuous else discrete_actions
        self._actions = read(task, self._task.action_space)
        self.rate = float(self._task.metadata.get("render_fps", 30))

    def reset(self, seed: int) -> NDArray[np.uint8]:
        self._task.reset(seed=seed)
        return self._picture()

    def step(self, action: Any) -> tuple[float, NDArray[np.uint8]]:
        _, reward, _, _, _ = self._task.step(self._actions.of_task(action))
        return float(np.float32(reward)), self._picture()

    def close(self) -> None:
        self._task.close()

    def _picture(self) -> NDArray[np.uint8]:
        import gymnasium

        try:
            return np.array(self._task.render(), dtype=np.uint8)
        except (gymnasium.error.Error, ImportError) as error:
            raise _cannot_draw(self._name, error) from error


def _cannot_draw(task: str, error: Exception) -> MissingExtraError:
    return MissingExtraError(
        f"{task} cannot be drawn here",
        got=" ".join(str(error).split()),
        remedy="Install what it asks for, or evaluate without --video and --strip.",
    )
