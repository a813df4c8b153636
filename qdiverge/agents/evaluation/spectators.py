"""An episode as a spectator sees it: a second emulator, in colour, that is given the same actions.

What the agent sees is grey and small. With the same seed, rules and actions the emulator plays the
same game again, and here it shows it in full; at every step the rewards are held against each
other.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.environments.atari import (
    FRAME_SKIP,
    NO_FRAME_LIMIT,
    AtariEnvironments,
    emulator_seeds,
)
from qdiverge.agents.environments.experience import VectorStep
from qdiverge.agents.environments.tasks import TaskEnvironments
from qdiverge.agents.evaluation.protocols import Protocol
from qdiverge.agents.parts import Environments
from qdiverge.errors import InvalidValueError, MissingExtraError

SCREEN = (210, 160)  # pixels of an Atari screen: height, width
EMULATOR_RATE = 60.0  # frames a second


class Spectator:
    """Watches the first episode of the first environment.

    Args:
        environments: Which it will watch, under the rules that ``protocol`` gives.
        protocol: The rules.
        seed: What the environments were seeded with.

    Attributes:
        frames: What it has seen, one picture for each agent step: uint8 [height, width, 3].
        rate: Frames a second, as they would be played.

    Raises:
        InvalidValueError: such environments cannot be watched.
        MissingExtraError: what draws the task is not installed.
    """

    def __init__(self, environments: Environments, protocol: Protocol, seed: int) -> None:
        self.frames: list[NDArray[np.uint8]] = []
        self._is_over = False
        first_seed = int(emulator_seeds(seed, environments.num_envs)[0])
        if isinstance(environments, AtariEnvironments):
            self._screen: _AtariScreen | _TaskScreen = _AtariScreen(environments.game, protocol)
        elif isinstance(environments, TaskEnvironments):
            self._screen = _TaskScreen(environments.task)
        else:
            raise InvalidValueError(
                "pictures are there for Atari games and Gymnasium tasks",
                got=type(environments).__name__,
                remedy="Evaluate without --video and --strip.",
            )
        self.rate = self._screen.rate
        try:
            self.frames.append(self._screen.reset(first_seed))
        except BaseException:
            self._screen.close()
            raise

    def follow(self, actions: NDArray[np.int64], step: VectorStep) -> None:
        """Give the screen the action of the first environment and look.

        Args:
            actions: integers [E], those taken.
            step: What came of them.
        """
        if self._is_over:
            return
        reward, frame = self._screen.step(int(actions[0]))
        assert reward == step.rewards[0], "the spectator's game has left the one that is played"
        self.frames.append(frame)
        if step.ended[0]:
            self._is_over = True
            self.close()

    def close(self) -> None:
        """Free the screen; the frames stay."""
        self._screen.close()


class _AtariScreen:
    rate = EMULATOR_RATE / FRAME_SKIP

    def __init__(self, game: str, protocol: Protocol) -> None:
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

    def step(self, action: int) -> tuple[float, NDArray[np.uint8]]:
        observations, rewards, terminated, _, info = self._emulator.step(np.array([action]))
        shown = info["final_obs"] if terminated[0] else observations
        return float(rewards[0]), self._picture(shown)

    def close(self) -> None:
        self._emulator.close()

    def _picture(self, observations: Any) -> NDArray[np.uint8]:
        return np.array(observations[0], dtype=np.uint8).reshape(*SCREEN, 3)


class _TaskScreen:
    def __init__(self, task: str) -> None:
        import gymnasium

        self._name = task
        try:
            self._task = gymnasium.make(task, render_mode="rgb_array")
        except gymnasium.error.Error as error:
            raise _cannot_draw(task, error) from error
        actions: Any = self._task.action_space  # discrete, as TaskEnvironments has checked
        self._least_action = int(actions.start)
        self.rate = float(self._task.metadata.get("render_fps", 30))

    def reset(self, seed: int) -> NDArray[np.uint8]:
        self._task.reset(seed=seed)
        return self._picture()

    def step(self, action: int) -> tuple[float, NDArray[np.uint8]]:
        _, reward, _, _, _ = self._task.step(action + self._least_action)
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
