"""Stable-Baselines3's DQN with its own Atari wrappers and ``CnnPolicy``, otherwise by default."""

import numpy as np

from qdiverge.agents.settings.dqn_config import DQNConfig

NEEDS = ("stable_baselines3", "ale_py", "cv2")


class Loop:
    """The training loop, a number of agent steps at a time."""

    def __init__(self, config: DQNConfig) -> None:
        import ale_py
        import gymnasium
        from stable_baselines3 import DQN
        from stable_baselines3.common.env_util import make_atari_env
        from stable_baselines3.common.vec_env import VecFrameStack

        gymnasium.register_envs(ale_py)
        options = {"frameskip": 1, "repeat_action_probability": 0.0}
        envs = make_atari_env(config.environment, seed=config.seed, env_kwargs=options)
        self.model = DQN(
            "CnnPolicy",
            VecFrameStack(envs, n_stack=4),
            learning_rate=config.learning_rate,
            buffer_size=config.buffer_size,
            learning_starts=config.learning_starts,
            batch_size=config.batch_size,
            gamma=config.discount,
            train_freq=config.train_period,
            target_update_interval=config.target_period,
            exploration_initial_eps=config.epsilon_end,
            exploration_final_eps=config.epsilon_end,
            seed=config.seed,
            device=config.device,
        )
        self._is_first = True

    @property
    def step(self) -> int:
        """Return the agent steps taken."""
        return int(self.model.num_timesteps)

    def advance(self, steps: int) -> None:
        """Take agent steps, with the updates due."""
        self.model.learn(
            steps,
            log_interval=None,  # type: ignore[arg-type]  # None, which the annotation forgets: no log
            reset_num_timesteps=self._is_first,
        )
        self._is_first = False

    def replay_bytes(self) -> int:
        """Return what the replay allocates."""
        held = vars(self.model.replay_buffer).values()
        return sum(value.nbytes for value in held if isinstance(value, np.ndarray))

    def close(self) -> None:
        """Free the environments."""
        if (envs := self.model.get_env()) is not None:
            envs.close()
