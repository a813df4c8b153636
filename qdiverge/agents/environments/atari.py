"""Atari games in parallel on ale-py's C++ vector environment, with our own episode accounting.

What the emulator's own vector interface gets wrong for a learner, and what is done here:

1. NEXT_STEP autoreset answers the step after the end with a transition that never happened. Here:
   SAME_STEP, so that every step is a transition.
2. ``reward_clipping`` (on by default) hides the score. Here: off; the learner clips.
3. ``episodic_life`` restarts the whole game at each lost life, and ``life_loss_info`` reports a
   termination whose final observation is uninitialised memory. Here: both off; a lost life is read
   from the lives counter and reported beside ``terminated``.
4. A step cut short by its frame limit shows a stale frame, pooled with the step before, from which
   a truncated transition would bootstrap. Here: the limit is ours, kept between whole steps.
5. Seeds of neighbouring runs overlap (run 1 uses 1..8, run 2 uses 2..9). Here: seeds are spawned.
"""

import numpy as np
from numpy.typing import NDArray

from qdiverge.agents.environments.experience import Episode, VectorStep
from qdiverge.agents.environments.games import missing_atari_extra, resolve_game, rom_path
from qdiverge.checks import check_integer
from qdiverge.errors import InvalidValueError

FRAME_SIZE = 84  # pixels, each side (Mnih et al. 2015, Methods: Preprocessing)
FRAME_STACK = 4  # frames in one observation
FRAME_SKIP = 4  # emulator frames in one agent step
MAX_EPISODE_FRAMES = 108_000  # emulator frames: 30 minutes of play (Hessel et al. 2018)
NO_FRAME_LIMIT = 1_000_000_000  # handed to the emulator, whose own limit gives stale frames


class AtariEnvironments:
    """E copies of one game; the emulator works in its own threads between ``send`` and ``recv``.

    Standard preprocessing: maximum over the last two of four frames, luminance, 84 x 84, stacks of
    four, up to 29 opening no-ops (Mnih et al. 2015).

    Args:
        game_id: ``"ALE/Pong-v5"`` or ``"Pong"``.
        num_envs: E, the number of copies.
        seed: Fixes every game; runs with different seeds share none.
        repeat_action_probability: Sticky actions: how often the emulator repeats the last action
            instead (Machado et al. 2018: .25; Mnih et al. 2015: 0).
        max_episode_frames: Emulator frames after which an episode is truncated.
        noop_max: Openings have fewer than this many no-ops.
        full_action_space: All 18 actions, not only those that the game knows.
        num_threads: Emulator threads; the games do not depend on it.
        frame_skip: Emulator frames in one agent step.

    Raises:
        MissingExtraError: ale-py or gymnasium is not installed.
        InvalidValueError: the game is unknown, its ROM is missing, or a number is out of range.

    >>> games = AtariEnvironments("Pong", num_envs=2, seed=1)
    >>> games.reset().shape, games.num_actions
    ((2, 4, 84, 84), 6)
    >>> games.close()
    """

    shape = (FRAME_STACK, FRAME_SIZE, FRAME_SIZE)  # of one observation
    dtype = np.uint8

    def __init__(
        self,
        game_id: str,
        num_envs: int = 1,
        seed: int = 0,
        *,
        repeat_action_probability: float = 0.25,
        max_episode_frames: int = MAX_EPISODE_FRAMES,
        noop_max: int = 30,
        full_action_space: bool = False,
        num_threads: int = 1,
        frame_skip: int = FRAME_SKIP,
    ) -> None:
        game = resolve_game(game_id)
        for name, value, least in (
            ("num_envs", num_envs, 1),
            ("seed", seed, 0),
            ("max_episode_frames", max_episode_frames, FRAME_SKIP),
            ("noop_max", noop_max, 0),
            ("num_threads", num_threads, 1),
            ("frame_skip", frame_skip, 1),
        ):
            check_integer(name, value, least)
        if not 0.0 <= repeat_action_probability < 1.0:
            raise InvalidValueError(
                "repeat_action_probability must lie in [0, 1)", got=repeat_action_probability
            )
        try:
            from ale_py.vector_env import AtariVectorEnv
            from gymnasium.vector import AutoresetMode
        except ImportError as error:
            raise missing_atari_extra() from error
        rom_path(game)
        self.game = game
        self.num_envs = num_envs
        self.max_episode_frames = max_episode_frames
        self._seed = seed
        self._seeds = emulator_seeds(seed, num_envs)  # of the last reset
        self._emulators = AtariVectorEnv(
            game,
            num_envs,
            num_threads=num_threads,
            max_num_frames_per_episode=NO_FRAME_LIMIT,
            repeat_action_probability=repeat_action_probability,
            noop_max=noop_max,
            full_action_space=full_action_space,
            frameskip=frame_skip,
            stack_num=FRAME_STACK,
            img_height=FRAME_SIZE,
            img_width=FRAME_SIZE,
            autoreset_mode=AutoresetMode.SAME_STEP,
            episodic_life=False,
            life_loss_info=False,
            reward_clipping=False,
        )
        self.action_names = tuple(each.name for each in self._emulators.ale.get_action_set())
        self.num_actions = len(self.action_names)
        self._scores = np.zeros(num_envs, dtype=np.float64)
        self._lengths = np.zeros(num_envs, dtype=np.int64)
        self._opening = np.zeros(num_envs, dtype=np.int64)  # frame number before the episode
        self._first = np.zeros(num_envs, dtype=np.int64)  # frame number of its first observation
        self._lives = np.zeros(num_envs, dtype=np.int64)

    def reset(self, restart: int = 0) -> NDArray[np.uint8]:
        """Start every environment from its seed; a second call gives the same games again.

        Args:
            restart: Another number, other games.

        Returns:
            The first observations, uint8 [E, 4, 84, 84].
        """
        self._seeds = emulator_seeds(self._seed, self.num_envs, restart)
        observations, info = self._emulators.reset(seed=self._seeds)
        self._open(np.ones(self.num_envs, dtype=bool), info)
        return observations

    def send(self, actions: NDArray[np.int64]) -> None:
        """Let every environment begin one agent step; ``recv`` waits for it.

        Args:
            actions: integers [E].
        """
        self._emulators.send(np.asarray(actions, dtype=np.int64))

    def recv(self) -> VectorStep:
        """Wait for the step that ``send`` began, and keep the accounts.

        Returns:
            What happened in it.
        """
        observations, rewards, terminated, _, info = self._emulators.recv()
        self._scores += rewards
        self._lengths += 1
        # An emulator that ended has been reset already: its frame counts are the new episode's.
        frame_number = np.where(
            terminated, info["frame_number"] - info["episode_frame_number"], info["frame_number"]
        )
        truncated = ~terminated & (frame_number - self._first >= self.max_episode_frames)
        life_lost = ~terminated & (info["lives"] < self._lives)
        self._lives = info["lives"].astype(np.int64)
        ended = terminated | truncated
        next_observations = observations
        if ended.any():
            next_observations = observations.copy()
            if terminated.any():
                next_observations[terminated] = info["final_obs"][terminated]
            episodes = tuple(
                self._close(int(e), frame_number, terminated) for e in ended.nonzero()[0]
            )
            if truncated.any():
                observations, info = self._emulators.reset(options={"reset_mask": truncated})
            self._open(ended, info)
        else:
            episodes = ()
        return VectorStep(
            observations=observations,
            next_observations=next_observations,
            rewards=rewards.astype(np.float32),
            terminated=terminated,
            truncated=truncated,
            life_lost=life_lost,
            episodes=episodes,
        )

    def step(self, actions: NDArray[np.int64]) -> VectorStep:
        """Send and receive in one.

        Args:
            actions: integers [E].

        Returns:
            What happened.
        """
        self.send(actions)
        return self.recv()

    def close(self) -> None:
        """Free the emulators and stop their threads; a step under way is abandoned."""
        if hasattr(self, "_emulators"):
            self._emulators.close()
            del self._emulators

    def _open(self, begun: NDArray[np.bool_], info: dict[str, NDArray[np.int32]]) -> None:
        opening = info["frame_number"] - info["episode_frame_number"]
        self._scores[begun] = 0.0
        self._lengths[begun] = 0
        self._opening[begun] = opening[begun]
        self._first[begun] = info["frame_number"][begun]
        self._lives[begun] = info["lives"][begun]

    def _close(
        self, e: int, frame_number: NDArray[np.int64], terminated: NDArray[np.bool_]
    ) -> Episode:
        return Episode(
            environment=e,
            score=float(self._scores[e]),
            length=int(self._lengths[e]),
            frames=int(frame_number[e] - self._opening[e]),
            terminated=bool(terminated[e]),
        )


def emulator_seeds(seed: int, num_envs: int, restart: int = 0) -> NDArray[np.int64]:
    """Return a seed for each emulator; other runs, and other restarts, have other seeds.

    Returns:
        integers [E] of 31 bits.

    >>> emulator_seeds(1, 2).tolist() != emulator_seeds(2, 2).tolist()
    True
    """
    source = np.random.SeedSequence(seed, spawn_key=(restart,) if restart else ())
    return (source.generate_state(num_envs) >> 1).astype(np.int64)
